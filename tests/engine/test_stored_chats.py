"""Chat completions that a provider stores: found where they were made, by their owner alone."""

import json
from pathlib import Path
from typing import Any

import pytest

from tests.engine.test_keepers import Place, place

pytestmark = pytest.mark.anyio
PATH = "/v1/chat/completions"
TURNS = [{"role": "user", "content": "hi"}]
HEADERS = {"authorization": "Bearer a"}


async def made(at: Place, **body: Any) -> str:
    """Has `one` make a chat completion; its id."""
    whole = {"messages": TURNS, "model": "one-alone", **body}
    answer = await at.client.post(PATH, json=whole, headers=HEADERS)
    assert answer.status_code == 200
    text = answer.text.partition("data: ")[2].partition("\n")[0] if body.get("stream") else answer.text
    return json.loads(text)["id"]


@pytest.mark.parametrize("is_stream", [False, True])
async def test_one_is_read_changed_and_deleted_where_it_was_made(tmp_path: Path, is_stream: bool):
    async with place(tmp_path) as at:
        id = await made(at, store=True, stream=is_stream)
        where = f"{PATH}/{id}"
        for path in (where, f"{where}/messages"):
            at.one.reply(json.dumps({"id": id}).encode(), path=path)

        answers = [
            await at.client.get(where, headers=HEADERS),
            await at.client.get(f"{where}/messages", headers=HEADERS),
            await at.client.post(where, json={"metadata": {"a": "b"}}, headers=HEADERS),
            await at.client.get(where, headers={"authorization": "Bearer b"}),
            await at.client.delete(where, headers=HEADERS),
            await at.client.get(where, headers=HEADERS),
        ]

        assert [answer.status_code for answer in answers] == [200, 200, 200, 404, 200, 404]
        sent = [f"{each.method} {each.path}" for each in at.one.log][1:]
        assert sent == [f"GET {where}", f"GET {where}/messages", f"POST {where}", f"DELETE {where}"]
        assert not at.two.log


@pytest.mark.parametrize("body", [{}, {"store": False}, {"store": None}])
async def test_one_that_is_not_stored_is_unknown(tmp_path: Path, body: dict[str, Any]):
    async with place(tmp_path) as at:
        id = await made(at, **body)
        answer = await at.client.get(f"{PATH}/{id}", headers=HEADERS)
        assert answer.status_code == 404
        assert len(at.one.log) == 1


async def test_a_list_has_the_callers_own_alone(tmp_path: Path):
    async with place(tmp_path) as at:
        id = await made(at, store=True)
        page = {"object": "list", "data": [{"id": "foreign"}, {"id": id}], "has_more": False}
        at.one.reply(json.dumps(page).encode(), path=f"{PATH}?limit=100")
        at.one.reply(json.dumps(page).encode(), path=PATH)
        answer = await at.client.get(f"{PATH}?provider=one", headers=HEADERS)
        assert [each["id"] for each in answer.json()["data"]] == [id]
