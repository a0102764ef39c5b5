"""Prices that are fetched while the gateway runs."""

import asyncio
import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import Any

import pytest

from headgate.app.price_updates import keep_current, price_source
from headgate.ledger.prices import Price, PriceBook, Rates

NEW = [
    {
        "id": "openai",
        "name": "OpenAI",
        "api_pattern": ".*",
        "models": [{"id": "gpt-new", "match": {"equals": "gpt-new"}, "prices": {"input_mtok": 1.5, "output_mtok": 2}}],
    }
]


class _Handler(BaseHTTPRequestHandler):
    answer = b""

    def do_GET(self) -> None:
        self.send_response(200)
        self.end_headers()
        self.wfile.write(self.answer)

    def log_message(self, format: str, *args: Any) -> None:
        """Says nothing."""


@pytest.fixture
def url() -> Iterator[str]:
    server = HTTPServer(("127.0.0.1", 0), _Handler)
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}/"
    server.shutdown()
    server.server_close()
    thread.join()


def test_fetched_prices_take_the_place_of_the_packaged_ones(url: str):
    _Handler.answer = json.dumps(NEW).encode()
    book = PriceBook()
    before = book.find("openai", "gpt-4o")

    book.renew(price_source(url)())

    assert before is not None
    assert [book.find("openai", name) for name in ("gpt-new", "gpt-4o")] == [Price(Rates(1_500_000, 2_000_000)), None]
    assert book.version.startswith("genai-prices ")
    assert "UTC" in book.version
    assert book.find("demo", "echo") is not None


@pytest.mark.parametrize("answer", [b"[]", b"{}", b"no json"])
def test_a_list_that_makes_no_sense_is_not_taken(url: str, answer: bytes):
    _Handler.answer = answer
    with pytest.raises(ValueError, match=r"."):
        price_source(url)()


def test_data_of_another_form_changes_nothing():
    book = PriceBook()
    before = book.find("openai", "gpt-4o")
    with pytest.raises(ValueError, match="models"):
        book.renew(b'{"version":"x","providers":{"openai":{"model":[]}}}')
    assert book.find("openai", "gpt-4o") == before


@pytest.mark.anyio
async def test_a_failure_is_logged_and_tried_again(caplog: pytest.LogCaptureFixture):
    tries: list[int] = []
    renewed: list[bytes] = []
    done = asyncio.Event()

    def fetch() -> bytes:
        tries.append(1)
        if len(tries) == 1:
            raise OSError("no way there")
        return b"new"

    def renew(data: bytes) -> None:
        renewed.append(data)
        done.set()

    async with asyncio.timeout(5), asyncio.TaskGroup() as group:
        task = group.create_task(keep_current(renew, fetch, every_s=0.001))
        await done.wait()
        task.cancel()

    assert renewed[0] == b"new"
    assert "prices were not updated: OSError: no way there" in caplog.text
