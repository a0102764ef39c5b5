"""What makes calls belong together, and that they do."""

from pathlib import Path

import pytest

from headgate.engine.sticking import prompt_key
from tests.engine.harness import bench

pytestmark = pytest.mark.anyio
CHAT = "openai_chat"
TARGETS = [f"{name}_openai_chat/m" for name in "abc"]


def test_every_turn_of_a_conversation_has_the_same_beginning():
    first = b'{"model":"m","messages":[{"role":"system","content":"be brief"},{"role":"user","content":"hi"}]}'
    later = first[:-2] + b',{"role":"assistant","content":"ho"},{"role":"user","content":"and?"}],"temperature":1}'
    other = first.replace(b"hi", b"hello")
    assert prompt_key(first) == prompt_key(later)
    assert prompt_key(first) != prompt_key(other)
    assert prompt_key(b'{"input":"hi","instructions":"x"}') != prompt_key(b'{"input":"ho","instructions":"x"}')
    assert prompt_key(b'{"model":"m"}') == ""


@pytest.mark.parametrize("sticky", ["session", "user", "key", "prompt"])
async def test_calls_that_belong_together_go_to_one_place(tmp_path: Path, sticky: str):
    async with bench(tmp_path, "abc", routes={"stuck": {"targets": TARGETS, "sticky": sticky}}) as gateway:
        seen: dict[str, set[str]] = {}
        for name in [f"n{number}" for number in range(6)] * 2:
            answer = await gateway.client.post(
                "/v1/chat/completions",
                json={"model": "stuck", "messages": [{"role": "user", "content": name}]},
                headers={"x-headgate-session": name, "x-headgate-user": name},
            )
            seen.setdefault(name, set()).add(answer.headers["x-headgate-provider"])
    assert {len(places) for places in seen.values()} == {1}
    assert (len(set.union(*seen.values())) > 1) == (sticky != "key")


async def test_a_call_that_belongs_nowhere_goes_as_the_route_says(tmp_path: Path):
    async with bench(tmp_path, "abc", routes={"stuck": {"targets": TARGETS, "sticky": "session"}}) as gateway:
        answers = [await gateway.post(CHAT, "stuck") for _ in range(3)]
    assert {answer.headers["x-headgate-provider"] for answer in answers} == {"a_openai_chat"}
