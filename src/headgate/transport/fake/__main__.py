"""`python -m headgate.transport.fake`: a fake upstream as a process. Prints its URL, serves until it is ended."""

import argparse
import asyncio
import signal
from pathlib import Path

from headgate.transport.fake.upstream import TEXT, FakeSettings, FakeUpstream


def main() -> None:
    """Reads the command line and serves."""
    parser = argparse.ArgumentParser(prog="python -m headgate.transport.fake", description=__doc__)
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=0, help="0: any that is free")
    parser.add_argument("--fixtures", type=Path, help="a folder of answers: v1/messages.json, v1/messages.sse, …")
    parser.add_argument("--text", default=TEXT, help="what the default answers say")
    parser.add_argument("--gap-s", type=float, default=0.0, help="pause between two chunks of a stream, in seconds")
    parser.add_argument("--first-s", type=float, default=0.0, help="median wait for a first token, in seconds")
    parser.add_argument("--seed", type=int, default=0, help="of the dice that faults with a probability throw")
    chosen = parser.parse_args()
    settings = FakeSettings(
        host=chosen.host,
        port=chosen.port,
        text=chosen.text,
        gap_s=chosen.gap_s,
        first_s=chosen.first_s,
        seed=chosen.seed,
    )
    asyncio.run(_serve(FakeUpstream(settings), chosen.fixtures))


async def _serve(upstream: FakeUpstream, fixtures: Path | None) -> None:
    if fixtures is not None:
        upstream.load(fixtures)
    ended = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, ended.set)
    async with upstream:
        print(upstream.url, flush=True)
        await ended.wait()


if __name__ == "__main__":
    main()
