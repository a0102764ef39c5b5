"""Idempotency keys through the whole gateway: asked twice, answered twice, charged once."""

from pathlib import Path

import httpx2
import pytest

from headgate.store.queries.calls import CallFilter
from tests.engine.test_limits import USD, Place, money, run

BODIES = {
    "/v1/chat/completions": {"model": "demo/echo", "messages": [{"role": "user", "content": "hello there"}]},
    "/v1/messages": {
        "model": "demo/echo",
        "max_tokens": 9,
        "messages": [{"role": "user", "content": "hello there"}],
    },
    "/v1/embeddings": {"model": "demo/echo", "input": "hi"},
}


@pytest.mark.parametrize(
    ("path", "is_stream"),
    [(path, is_stream) for path in BODIES for is_stream in (False, True) if "embed" not in path or not is_stream],
)
def test_asked_twice_is_charged_once(tmp_path: Path, path: str, is_stream: bool) -> None:
    async def work(place: Place) -> None:
        key = place.key(money(USD))

        async def ask(idempotency_key: str, **members: object) -> httpx2.Response:
            headers = {"authorization": f"Bearer {key}", "idempotency-key": idempotency_key}
            body = {**BODIES[path], **({"stream": True} if is_stream else {}), **members}
            return await place.client.post(path, json=body, headers=headers)

        first, second = [await ask("order-1") for _ in range(2)]
        assert (first.status_code, second.status_code) == (200, 200), first.text
        assert first.content == second.content != b""
        assert "idempotent-replayed" not in first.headers
        assert second.headers["idempotent-replayed"] == "true"
        assert second.headers["x-headgate-request-id"] == first.headers["x-headgate-request-id"]
        [(once, held)] = place.used()
        assert held == 0
        reused = await ask("order-1", model="demo/lorem")
        assert (reused.status_code, "came with another request" in reused.text) == (422, True)
        assert place.used() == [(once, 0)]
        assert (await ask("order-2")).headers["x-headgate-request-id"] != first.headers["x-headgate-request-id"]
        assert place.used() == [(2 * once, 0)]
        assert len((await place.core.calls.recent(CallFilter())).records) == 2

    run(tmp_path, work)


def test_a_call_that_failed_may_be_tried_again(tmp_path: Path) -> None:
    async def work(place: Place) -> None:
        key = place.key()
        headers = {"idempotency-key": "k"}
        answers = [await place.ask(key, model="demo/nothing", headers=headers) for _ in range(2)]
        assert [answer.status_code for answer in answers] == [404, 404]
        assert ["idempotent-replayed" in answer.headers for answer in answers] == [False, False]
        too_long = await place.ask(key, headers={"idempotency-key": "k" * 256})
        assert (too_long.status_code, "1 to 255" in too_long.text) == (400, True)

    run(tmp_path, work)
