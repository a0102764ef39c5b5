"""What the demo models say."""

import msgspec
import pytest

from headgate.app.demo_answers import LOREM_TOKENS_MAX, Script, last_user_text, script
from headgate.core.events import PartStarted
from headgate.core.fold import Answer, fold
from headgate.core.problems import Problem
from headgate.core.request import Foreign, Knobs, Message, Part, Request, Text, Tool, ToolResult
from headgate.core.usage import Usage


def asked(*messages: Message, tools: tuple[Tool, ...] = (), max_tokens: int | None = None) -> Request:
    return Request(
        dialect="openai_chat", model="echo", messages=messages, tools=tools, knobs=Knobs(max_tokens=max_tokens)
    )


def said(role: str, *texts: str) -> Message:
    return Message(role=role, parts=tuple(Text(text=text) for text in texts))  # type: ignore[arg-type]


def answer(told: Script | Problem) -> Answer:
    assert isinstance(told, Script)
    return fold(event for step in told.steps for event in step)


def test_echo_says_what_the_user_said_last() -> None:
    request = asked(said("user", "first"), said("assistant", "no"), said("user", "Hello,\n  big", " world \n"))
    found = answer(script(request, "echo"))

    assert (found.text, found.reason) == ("Hello,\n  big world \n", "stop")
    assert found.usage == Usage(input_tokens=8, output_tokens=5)


def test_echo_tells_its_words_one_by_one() -> None:
    told = script(asked(said("user", "one two  three")), "echo@20ms")
    assert isinstance(told, Script)
    assert (len(told.steps), told.gap_s, told.duration_s) == (4, 0.02, 0.06)


def test_echo_takes_long_words_together() -> None:
    text = "word " * 20_000
    told = script(asked(said("user", text)), "echo")
    assert isinstance(told, Script)
    assert (answer(told).text, len(told.steps) <= 4097) == (text, True)


@pytest.mark.parametrize("text", ["", " \n "])
def test_echo_has_an_answer_to_silence(text: str) -> None:
    assert answer(script(asked(said("user", text)), "echo")).text == (text or "There was no text to echo.")


def test_echo_reads_what_a_tool_answered() -> None:
    result: Part = ToolResult(
        call_id="1", parts=(Text(text="21 "), Foreign(name="x", raw=msgspec.Raw(b"1")), Text(text="C"))
    )
    request = asked(said("user", "call weather"), Message(role="tool", parts=(result,)))
    assert last_user_text(request) == "21 C"

    both = asked(Message(role="user", parts=(result, Text(text="thanks"))))
    assert last_user_text(both) == "thanks"


SCHEMA = b"""{"type": "object", "required": ["city", "unit", "days", "odd"], "properties": {
    "city": {"type": "string"}, "unit": {"enum": ["C", "F"]}, "days": {"type": "integer"}, "odd": {"type": ["null"]},
    "optional": {"type": "string"}}}"""


@pytest.mark.parametrize(
    ("text", "arguments"),
    [
        ("call weather", '{"city":"example","unit":"C","days":1,"odd":"example"}'),
        (' call  weather {"city": "Rome"} ', '{"city": "Rome"}'),
    ],
)
def test_echo_calls_a_tool_when_told_to(text: str, arguments: str) -> None:
    tool = Tool(name="weather", parameters=msgspec.Raw(SCHEMA))
    found = answer(script(asked(said("user", text), tools=(tool,)), "echo"))

    (part,) = found.parts
    assert (part.kind, part.name, part.id, part.text) == ("tool_call", "weather", "call_demo_1", arguments)
    assert found.reason == "tool_calls"


@pytest.mark.parametrize("parameters", [None, b"[]", b'{"required": 1}'])
def test_a_tool_without_a_schema_is_called_without_arguments(parameters: bytes | None) -> None:
    tool = Tool(name="t", parameters=None if parameters is None else msgspec.Raw(parameters))
    assert answer(script(asked(said("user", "call t"), tools=(tool,)), "echo")).parts[0].text == "{}"


def test_echo_does_not_call_a_tool_it_was_not_offered() -> None:
    assert answer(script(asked(said("user", "call weather")), "echo")).text == "call weather"


@pytest.mark.parametrize(("max_tokens", "count", "reason"), [(None, 64, "stop"), (3, 3, "length"), (0, 1, "length")])
def test_lorem_is_as_long_as_it_may_be(max_tokens: int | None, count: int, reason: str) -> None:
    found = answer(script(asked(said("user", "12345"), max_tokens=max_tokens), "lorem"))
    assert (len(found.text.split()), found.reason) == (count, reason)
    assert found.usage == Usage(input_tokens=2, output_tokens=count)
    assert found.text.startswith("lorem")


def test_lorem_has_an_end() -> None:
    told = script(asked(max_tokens=10**9), "lorem")
    assert isinstance(told, Script)
    assert len(told.steps) == LOREM_TOKENS_MAX + 1


@pytest.mark.parametrize(
    ("model", "gap_s"), [("lorem", 0.0), ("lorem@50ms", 0.05), ("lorem@2s", 2.0), ("lorem@999s", 60.0)]
)
def test_the_name_sets_the_gap(model: str, gap_s: float) -> None:
    told = script(asked(max_tokens=2), model)
    assert isinstance(told, Script)
    assert (told.gap_s, told.steps[0][1]) == (gap_s, PartStarted(index=0, kind="text"))


@pytest.mark.parametrize("model", ["gpt", "lorem@", "lorem@50", "lorem@-1ms", "lorem@1.5s", "echo2", ""])
def test_another_model_is_unknown(model: str) -> None:
    told = script(asked(), model)
    assert isinstance(told, Problem)
    assert (told.kind, told.code, told.param) == ("not_found", "model_not_found", "model")
