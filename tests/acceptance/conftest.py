"""One gateway for all the calls that only read from it."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from headgate.transport.fake import CutAfter, FakeUpstream
from tests.acceptance.running import Gateway, demos, gateway, routes, upstreams


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gateway]:
    """The demo provider behind every upstream dialect, and an upstream that breaks off after 700 bytes."""
    folder: Path = tmp_path_factory.mktemp("gateway")
    with FakeUpstream.threaded() as upstream:
        upstream.fail(CutAfter(bytes=700))
        config = {"providers": {**demos(), **upstreams(upstream.url)}, "routes": routes()}
        with gateway(folder, config) as started:
            yield started
