"""Calls that no service could answer are told to their callers."""

from typing import Any

import pytest
from msgspec import Raw

from headgate.core.problems import InvalidRequest
from headgate.core.request import Knobs, Message, OutputFormat, Request, ServerTool, Text, Tool, ToolChoice
from headgate.core.soundness import check_sound

ASKED = (Message(role="user", parts=(Text(text="hi"),)),)
ADD = Tool(name="add", parameters=Raw(b' {"type":"object"}'))
SEARCH = ServerTool(name="web_search", raw=Raw(b"{}"))


def request_of(**members: Any) -> Request:
    return Request(dialect="x", model="m", **{"messages": ASKED, **members})


@pytest.mark.parametrize(
    ("members", "param"),
    [
        ({"messages": ()}, "messages"),
        ({"knobs": Knobs(max_tokens=0)}, "max_tokens"),
        ({"knobs": Knobs(max_tokens=2**53)}, "max_tokens"),
        ({"knobs": Knobs(candidates=0)}, "n"),
        ({"knobs": Knobs(candidates=10**30)}, "n"),
        ({"knobs": Knobs(output_format=OutputFormat(schema=Raw(b"[]")))}, "response_format"),
        ({"tools": (ADD, Tool(name=""))}, "tools[1].name"),
        ({"tools": (Tool(name="a", parameters=Raw(b"7")),)}, "tools[0].parameters"),
        ({"tool_choice": ToolChoice(mode="any")}, "tool_choice"),
        ({"tools": (ADD,), "tool_choice": ToolChoice(mode="tool", name="subtract")}, "tool_choice"),
    ],
)
def test_a_call_that_none_could_answer_is_refused(members: dict[str, Any], param: str):
    with pytest.raises(InvalidRequest) as refused:
        check_sound(request_of(**members))

    assert refused.value.problem.param == param


@pytest.mark.parametrize(
    "members",
    [
        {},
        {"knobs": Knobs(max_tokens=1, candidates=1, output_format=OutputFormat())},
        {"tools": (ADD, Tool(name="b"), SEARCH), "tool_choice": ToolChoice(mode="any")},
        {"tools": (ADD,), "tool_choice": ToolChoice(mode="tool", name="add")},
        {"tools": (SEARCH,), "tool_choice": ToolChoice(mode="tool", name="mcp")},
        {"tool_choice": ToolChoice(mode="none")},
    ],
)
def test_any_other_passes(members: dict[str, Any]):
    check_sound(request_of(**members))


def test_a_choice_of_no_tool_names_those_there_are():
    request = request_of(tools=(Tool(name="web"), ADD), tool_choice=ToolChoice(mode="tool", name="subtract"))

    with pytest.raises(InvalidRequest, match=r"'subtract'.*: add, web"):
        check_sound(request)
