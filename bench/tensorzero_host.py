"""Runs TensorZero's HTTP gateway out of its PyPI package: the wheel carries the whole gateway as a native module.

Started with the Python of TensorZero's own environment as `tensorzero_host.py CONFIG`; prints the address it chose.
`_start_http_gateway` is what the package's own `patch_openai_client` calls. Knows nothing of the benchmark."""

import signal
import sys

from tensorzero import _start_http_gateway


def main() -> None:
    gateway = _start_http_gateway(
        config_file=sys.argv[1], clickhouse_url=None, postgres_url=None, valkey_url=None, async_setup=False
    )
    print(f"listening on {gateway.base_url}", flush=True)
    signal.sigwait({signal.SIGTERM, signal.SIGINT})
    gateway.close()


if __name__ == "__main__":
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM, signal.SIGINT})
    main()
