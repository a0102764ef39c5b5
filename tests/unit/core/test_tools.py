import msgspec
import pytest
from msgspec import Raw

from headgate.core.problems import Unrenderable
from headgate.core.request import (
    Grammar,
    Message,
    Request,
    ServerTool,
    Text,
    Tool,
    ToolCall,
    ToolChoice,
    ToolResult,
)
from headgate.core.tools import as_functions, joined_name, names_of, without_server_tools

SEARCH = ServerTool(name="web_search", raw=Raw(b"{}"))
ADD = Tool(name="add")
ASKED = Message(role="user", parts=(Text(text="hi"),))


def request_of(*messages: Message, tools: tuple[Tool | ServerTool, ...], choice: ToolChoice | None = None) -> Request:
    return Request(dialect="x", model="m", messages=messages or (ASKED,), tools=tools, tool_choice=choice)


def test_a_request_of_functions_stays_as_it_is():
    request = request_of(Message(role="assistant", parts=(ToolCall(id="a", name="add"),)), tools=(ADD,))
    dropped: set[str] = set()

    assert (as_functions(request, dropped), dropped) == (request, set())


@pytest.mark.parametrize("choice", [None, ToolChoice(mode="auto"), ToolChoice(mode="tool", name="add")])
def test_server_tools_are_dropped_by_name(choice: ToolChoice | None):
    dropped: set[str] = set()

    request = without_server_tools(request_of(tools=(SEARCH, ADD), choice=choice), dropped)

    assert (request.tools, request.tool_choice, dropped) == ((ADD,), choice, {"tools.web_search"})


def test_no_tools_leave_no_choice():
    request = without_server_tools(request_of(tools=(SEARCH,), choice=ToolChoice(mode="auto")), set())

    assert (request.tools, request.tool_choice) == ((), None)


@pytest.mark.parametrize(
    ("tools", "choice"),
    [
        ((SEARCH,), ToolChoice(mode="any")),
        ((SEARCH,), ToolChoice(mode="tool", name="web_search")),
        ((SEARCH, ADD), ToolChoice(mode="tool", name="web_search")),
    ],
)
def test_a_server_tool_that_is_asked_for_is_refused(tools: tuple[Tool | ServerTool, ...], choice: ToolChoice):
    with pytest.raises(Unrenderable, match="web_search"):
        without_server_tools(request_of(tools=tools, choice=choice), set())


def test_names_are_told_apart():
    tools = (
        Tool(name="b", namespace="a"),
        Tool(name="a__b"),
        Tool(name="c", namespace="a b"),
        Tool(name="c", namespace="a.b"),
        Tool(name="n" * 60, namespace="long"),
        Tool(name="n" * 60 + "2", namespace="long"),
    )

    names = names_of(tools)

    assert len(set(names.values())) == len(tools)
    assert names["", "a__b"] == "a__b"
    assert names["a b", "c"] == "a_b__c"
    assert all(len(name) <= 64 for name in names.values())


def test_the_name_of_an_unlisted_tool_is_the_same_as_of_a_listed_one():
    assert joined_name("a", "b") == names_of((Tool(name="b", namespace="a"),))["a", "b"] == "a__b"


def test_a_custom_tool_becomes_a_function_of_one_text():
    grammar = Grammar("lark", "start: /a+/")
    shout = Tool(
        name="shout", description="Shouts.", is_custom=True, grammar=grammar, form="f", extras={"x": Raw(b"1")}
    )
    dropped: set[str] = set()

    (tool,) = as_functions(request_of(tools=(shout,)), dropped).tools

    assert isinstance(tool, Tool)
    assert tool.parameters is not None
    assert tool.description == (
        "Shouts.\n\nThe tool takes free text: put all of it into the one parameter `input`.\n\n"
        "The text must follow this lark grammar:\nstart: /a+/"
    )
    assert msgspec.json.decode(tool.parameters)["required"] == ["input"]
    assert (tool.is_custom, tool.grammar, tool.form, tool.extras) == (False, None, "", {"x": Raw(b"1")})
    assert dropped == {"tools.format"}


def test_earlier_turns_follow():
    said = Message(
        role="assistant",
        parts=(
            ToolCall(id="1", name="c", namespace="a"),
            ToolCall(id="2", name="shout", arguments='say "hi"', is_custom=True),
            ToolCall(id="3", name="gone", namespace="a"),
            ToolCall(id="4", name="add", arguments="{}"),
        ),
    )
    heard = Message(role="tool", parts=(ToolResult(call_id="1", name="c"), ToolResult(call_id="4", name="add")))
    user = Message(role="user", parts=(Text(text="hi"),))
    tools = (Tool(name="c", namespace="a"), Tool(name="shout", is_custom=True), ADD)

    request = as_functions(
        request_of(user, said, heard, user, tools=tools, choice=ToolChoice(mode="tool", name="c")), set()
    )

    assert request.messages == (
        user,
        Message(
            role="assistant",
            parts=(
                ToolCall(id="1", name="a__c"),
                ToolCall(id="2", name="shout", arguments='{"input":"say \\"hi\\""}'),
                ToolCall(id="3", name="a__gone"),
                ToolCall(id="4", name="add", arguments="{}"),
            ),
        ),
        Message(role="tool", parts=(ToolResult(call_id="1", name="a__c"), ToolResult(call_id="4", name="add"))),
        user,
    )
    assert request.tool_choice == ToolChoice(mode="tool", name="a__c")
