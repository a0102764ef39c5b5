"""Whole answers, both ways."""

import json
from typing import Any

import pytest
from msgspec import Raw

from headgate.core.events import Event, Failed, Finished, Opaque, PartDelta, PartEnded, PartStarted, Started
from headgate.core.fold import fold
from headgate.core.problems import Outcome, Problem
from headgate.core.request import Signature
from headgate.core.usage import Usage
from headgate.dialects.base import Malformed, ReplyTo
from headgate.dialects.openai_chat import parse_response, render_response

REPLY_TO = ReplyTo(id="chatcmpl-ours", model="asked", now_s=99)
CALL = {"id": "c", "type": "function", "function": {"name": "f", "arguments": "{}"}}


def whole(message: dict[str, Any], **members: Any) -> dict[str, Any]:
    choice = {"index": 0, "message": {"role": "assistant", **message}, "finish_reason": "stop"}
    choice |= {
        name: members.pop(name)
        for name in ("finish_reason", "logprobs", "error", "seed", "native_finish_reason")
        if name in members
    }
    return {"id": "a", "object": "chat.completion", "created": 7, "model": "m", "choices": [choice], **members}


def parse(body: dict[str, Any]) -> list[Event]:
    return parse_response(json.dumps(body).encode())


def render(*events: Event) -> tuple[Any, set[str]]:
    dropped: set[str] = set()
    return json.loads(render_response(events, REPLY_TO, dropped)), dropped


@pytest.mark.parametrize(
    "body",
    [
        whole({"content": "hi"}),
        whole({"content": "hi", "refusal": None, "annotations": []}, logprobs=None, service_tier=None),
        whole({"content": None, "tool_calls": [CALL, {**CALL, "id": "d", "index": 1}]}, finish_reason="tool_calls"),
        whole({"content": "", "tool_calls": None, "function_call": {"name": "f", "arguments": "{}"}}),
        whole({"tool_calls": [{"id": "", "function": {"name": "f", "arguments": {"a": 1}}}]}),
        whole({"tool_calls": [{"function": {"name": "f"}, "mood": None}]}),
        whole({"tool_calls": [{"id": "c", "type": "custom", "custom": {"name": "f", "input": "x"}}]}),
        whole({"content": None, "refusal": "no"}),
        whole({"content": "hi", "reasoning_content": "so"}),
        whole({"content": "hi", "reasoning": "so", "reasoning_content": "so"}),
        whole({"content": "hi", "reasoning": "so", "reasoning_content": "else"}),
        whole(
            {
                "content": "hi",
                "reasoning": "so",
                "reasoning_details": [
                    {"type": "reasoning.text", "text": "so", "signature": "S", "format": None, "index": 0},
                    {"type": "reasoning.encrypted", "data": "D", "id": "r"},
                    {"type": "reasoning.new", "x": 1},
                ],
            }
        ),
        whole(
            {
                "reasoning_details": [
                    {"type": "reasoning.summary", "summary": "one", "index": 0},
                    {"type": "reasoning.summary", "summary": "two", "index": 0},
                ],
            }
        ),
        whole(
            {
                "content": [
                    {"type": "thinking", "closed": True, "thinking": [{"type": "text", "text": "so"}]},
                    {"type": "text", "text": "one"},
                    {"type": "text", "text": "two"},
                ]
            }
        ),
        whole({"content": "hi", "extra_content": {"google": {"thought_signature": "S", "thought": True}}}),
        whole({"tool_calls": [{**CALL, "extra_content": {"google": {"thought_signature": "S"}}}]}),
        whole({"content": "hi", "extra_content": {"other": 1}, "annotations": [{"type": "url_citation"}]}),
        whole({"content": None, "audio": {"id": "s", "data": "AAAA", "expires_at": 5, "transcript": "hey"}}),
        whole({"content": ""}, finish_reason=None),
        whole({"content": "hi"}, finish_reason=""),
        whole({"content": [{"type": "text", "text": "hi", "cited": [1]}, {"type": "reference", "ids": [1]}]}),
        whole(
            {
                "content": [
                    {"type": "thinking", "thinking": [{"type": "text", "text": "a"}, {"type": "text", "text": "b"}]}
                ]
            }
        ),
        whole({"reasoning_details": [{"type": "reasoning.text", "signature": "S", "index": 0}]}),
        whole({"content": None, "function_call": {"name": "", "arguments": ""}}),
        whole({"content": "hi"}, finish_reason="eos", logprobs={"content": []}, seed=4, native_finish_reason="x"),
        whole(
            {"content": "hi"}, usage={"prompt_tokens": 1, "completion_tokens": 2, "cost": 0.1}, system_fingerprint="f"
        ),
        whole({"content": {"a": 1}}, provider="p", error=None, citations=["x"]),
    ],
    ids=lambda body: str(body["choices"][0]["message"])[22:80],
)
def test_an_answer_is_written_as_it_was_read(body: dict[str, Any]) -> None:
    assert render(*parse(body)) == (body, set())


def test_several_choices_are_kept_apart() -> None:
    body = whole({"content": "one"})
    body["choices"].append({"index": 1, "message": {"role": "assistant", "content": "two"}, "finish_reason": "length"})
    assert fold(parse(body)).more_reasons == ("length",)
    assert render(*parse(body)) == (body, set())


def test_what_is_missing_is_filled_in() -> None:
    body, _ = render(*parse({"choices": [{"message": {"content": "hi"}}]}))
    assert (body["id"], body["object"], body["created"], body["model"]) == (
        "chatcmpl-ours",
        "chat.completion",
        99,
        "asked",
    )


def test_the_parts_of_a_whole_answer() -> None:
    found = fold(parse(whole({"reasoning_content": "so", "content": "hi", "tool_calls": [CALL]})))
    assert [(part.kind, part.text, part.id, part.name) for part in found.parts] == [
        ("reasoning", "so", "", ""),
        ("text", "hi", "", ""),
        ("tool_call", "{}", "c", "f"),
    ]


def test_leftovers_that_say_something_are_named_and_the_rest_is_not() -> None:
    body = whole({"content": "hi", "annotations": [1], "refusal": None}, system_fingerprint="f", citations=["x"])
    named = [event.name for event in parse(body) if isinstance(event, Opaque)]
    assert sorted(named) == ["annotations", "citations"]


@pytest.mark.parametrize(
    ("body", "outcome"),
    [
        ({"error": {"message": "no", "code": 429}}, Outcome.RATE),
        ({"error": "no"}, Outcome.SERVER),
        (whole({"content": "hi"}, error={"message": "no", "code": 502}), Outcome.SERVER),
        (whole({"content": "hi"}, finish_reason="error"), Outcome.SERVER),
        ({"object": "list", "data": []}, Outcome.PROTOCOL),
    ],
    ids=str,
)
def test_a_failure_under_a_good_status_is_a_failure(body: dict[str, Any], outcome: Outcome) -> None:
    found = fold(parse(body))
    assert (found.reason, found.problem and found.problem.outcome) == (None, outcome)


@pytest.mark.parametrize("body", [b"", b"<html></html>", b"[]", b"7", b'{"choices":'])
def test_what_is_no_answer_at_all_is_malformed(body: bytes) -> None:
    with pytest.raises(Malformed, match="not a JSON object"):
        parse_response(body)


def test_another_dialects_answer_is_said() -> None:
    body, dropped = render(
        Started(id="msg_1", model="theirs", created=5, extras={"type": Raw(b'"message"')}),
        PartStarted(index=0, kind="reasoning"),
        PartDelta(0, "so"),
        PartEnded(index=0, signature=Signature("anthropic", "S")),
        PartStarted(index=1, kind="reasoning", is_redacted=True),
        PartEnded(index=1, signature=Signature("anthropic", "R")),
        PartStarted(index=2, kind="text"),
        PartDelta(2, "hi"),
        Opaque(name="citations", raw=Raw(b"[]"), dialect="anthropic", index=2),
        PartEnded(index=2),
        PartStarted(index=3, kind="tool_call", id="c", name="f"),
        PartEnded(index=3, signature=Signature("gemini", "G")),
        Opaque(name="server_tool_use", raw=Raw(b"{}"), dialect="anthropic"),
        Finished(reason="tool_calls", wire_reason="tool_use", usage=Usage(input_tokens=3, output_tokens=2)),
    )
    assert dropped == {"citations", "server_tool_use"}
    assert body == {
        "id": "msg_1",
        "object": "chat.completion",
        "created": 5,
        "model": "theirs",
        "choices": [
            {
                "index": 0,
                "message": {
                    "role": "assistant",
                    "content": "hi",
                    "refusal": None,
                    "reasoning_content": "so",
                    "reasoning_details": [
                        {
                            "type": "reasoning.text",
                            "format": "anthropic-claude-v1",
                            "index": 0,
                            "text": "so",
                            "signature": "~hg.anthropic.S",
                        },
                        {
                            "type": "reasoning.encrypted",
                            "format": "anthropic-claude-v1",
                            "index": 1,
                            "data": "~hg.anthropic.R",
                        },
                    ],
                    "tool_calls": [
                        {
                            "id": "c",
                            "type": "function",
                            "function": {"name": "f", "arguments": "{}"},
                            "extra_content": {"google": {"thought_signature": "G"}},
                        }
                    ],
                },
                "logprobs": None,
                "finish_reason": "tool_calls",
            }
        ],
        "usage": {
            "prompt_tokens": 3,
            "completion_tokens": 2,
            "total_tokens": 5,
            "prompt_tokens_details": {"cached_tokens": 0},
            "completion_tokens_details": {"reasoning_tokens": 0},
        },
    }


@pytest.mark.parametrize(
    ("reason", "wire_reason", "word"),
    [
        ("stop", "end_turn", "stop"),
        ("refusal", "refusal", "content_filter"),
        ("pause", "", "stop"),
        ("stop_sequence", "", "stop"),
        ("other", "", "stop"),
    ],
)
def test_the_word_for_the_end(reason: Any, wire_reason: str, word: str) -> None:
    body, _ = render(Started(), Finished(reason=reason, wire_reason=wire_reason))
    assert body["choices"][0]["finish_reason"] == word


def test_a_fault_at_the_end_has_no_word() -> None:
    body, dropped = render(Started(), Finished(reason="error", wire_reason="error"))
    assert (body["choices"][0]["finish_reason"], dropped) == ("stop", {"finish_reason"})


@pytest.mark.parametrize(("dialect", "word"), [("openai_chat", "end_turn"), ("anthropic", "stop"), ("", "stop")])
def test_only_our_own_words_and_leftovers_are_used(dialect: str, word: str) -> None:
    extras = {name: Raw(b"1") for name in ("answer.note", "choices.0.message.note", "choices.0.choice.note")}
    started = Started(id="a", dialect=dialect)
    body, _ = render(started, Finished(reason="stop", wire_reason="end_turn", extras=extras))
    choice = body["choices"][0]
    notes = [holder.get("note") for holder in (body, choice, choice["message"])]
    assert (choice["finish_reason"], notes) == (word, [1, 1, 1] if dialect == "openai_chat" else [None] * 3)


@pytest.mark.parametrize("missing", ["index", "message", "finish_reason"])
def test_what_a_choice_lacks_it_lacks_again(missing: str) -> None:
    body = whole({"content": None})
    del body["choices"][0][missing]
    assert render(*parse(body)) == (body, set())


def test_a_further_answers_own_word_for_its_end_is_kept() -> None:
    body = whole({"content": "hi"})
    body["choices"].append({**body["choices"][0], "index": 1, "finish_reason": "eos"})
    assert render(*parse(body)) == (body, set())


def test_pictures_and_sound_are_said_and_files_are_not() -> None:
    body, dropped = render(
        Started(),
        PartStarted(index=0, kind="image", media_type="image/png"),
        PartDelta(0, "AAAA"),
        PartEnded(index=0),
        PartStarted(index=1, kind="audio", id="s"),
        PartDelta(1, "BB"),
        PartEnded(index=1),
        PartStarted(index=2, kind="file"),
        PartEnded(index=2),
        Finished(reason="stop"),
    )
    message = body["choices"][0]["message"]
    url = {"type": "image_url", "image_url": {"url": "data:image/png;base64,AAAA"}, "index": 0}
    assert (message["images"], message["audio"], dropped) == ([url], {"id": "s", "data": "BB"}, {"file"})


def test_a_failed_answer_is_an_error() -> None:
    body, _ = render(Started(), Failed(Problem(kind="upstream", message="no", outcome=Outcome.SERVER)))
    assert body == {"error": {"message": "no", "type": "server_error", "param": None, "code": None}}


def test_a_message_without_a_role_stays_without() -> None:
    body = whole({"content": "hi"})
    del body["choices"][0]["message"]["role"]
    assert render(*parse(body)) == (body, set())


def test_a_transcript_in_instalments_is_put_together() -> None:
    pieces = [
        Opaque(name="audio.transcript", raw=Raw(raw), dialect="openai_chat", index=0) for raw in (b'"he"', b'"y"')
    ]
    other = Opaque(name="x", raw=Raw(b"1"), dialect="gemini", index=0)
    body, dropped = render(
        Started(),
        PartStarted(index=0, kind="audio", id="s"),
        *pieces,
        other,
        PartEnded(index=0),
        Finished(reason="stop"),
    )
    assert body["choices"][0]["message"]["audio"] == {"id": "s", "data": "", "transcript": "hey"}
    assert dropped == {"x"}


@pytest.mark.parametrize(("first", "second", "both"), [(b"1", b"2", 2), (b"[1]", b"2", 2), (b'"a"', b'"b"', "b")])
def test_of_other_leftovers_the_latest_counts(first: bytes, second: bytes, both: object) -> None:
    opaques = [Opaque(name="note", raw=Raw(raw), dialect="openai_chat", slot="answer") for raw in (first, second)]
    body, _ = render(Started(), *opaques, Finished(reason="stop"))
    assert body["note"] == both


def test_instalments_of_a_leftover_are_put_together() -> None:
    logprobs = [Raw(b'{"content":[1],"refusal":null}'), Raw(b'{"content":[2],"refusal":null}')]
    opaques = [Opaque(name="logprobs", raw=raw, dialect="openai_chat", slot="choice") for raw in logprobs]
    body, _ = render(Started(), *opaques, Finished(reason="stop"))
    assert body["choices"][0]["logprobs"] == {"content": [1, 2], "refusal": None}
