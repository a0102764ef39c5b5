"""A body that is read while it comes: its client is held back while nobody reads, and told why no more is taken."""

import asyncio

import pytest

from headgate.core.problems import ClientError, Outcome, Problem, UpstreamError
from headgate.server.uploading import HELD_BYTES_MAX, Bound, Upload


class Client:
    """Notes what its connection is told."""

    def __init__(self, most: int = 1 << 30) -> None:
        self.told: list[str] = []
        self.upload = Upload(Bound(7, most), lambda: self.told.append("hold"), lambda: self.told.append("go on"))


def test_a_client_is_held_back_until_somebody_reads():
    async def scene() -> tuple[list[str], int, bytes]:
        client = Client()
        for _ in range(3):
            client.upload.push(b"x" * HELD_BYTES_MAX)
        before = list(client.told)
        data = await client.upload.read()
        client.upload.push(b"y")
        client.upload.finish()
        rest = await client.upload.read() + await client.upload.read()
        assert (before, client.told, client.upload.length) == (["hold"], ["hold", "go on"], 7)
        return client.told, len(data), rest

    assert asyncio.run(scene())[1:] == (3 * HELD_BYTES_MAX, b"y")


def test_why_no_more_is_taken():
    async def scene() -> None:
        lost, refused, long = Client(), Client(), Client(most=3)
        lost.upload.lose()
        refused.upload.refuse(Problem(kind="invalid_request", status=408, message="too slow"))
        long.upload.push(b"abcd")
        with pytest.raises(UpstreamError) as gone:
            await lost.upload.read()
        with pytest.raises(ClientError, match="too slow"):
            await refused.upload.read()
        with pytest.raises(ClientError, match=r"kept\.upload_bytes_max") as over:
            await long.upload.read()
        assert (gone.value.problem.outcome, over.value.problem.http_status) == (Outcome.CLIENT_GONE, 413)

    asyncio.run(scene())


def test_what_is_whole_stays_whole():
    async def scene() -> bytes:
        client = Client()
        client.upload.push(b"all")
        client.upload.finish()
        client.upload.lose()
        return await client.upload.read()

    assert asyncio.run(scene()) == b"all"
