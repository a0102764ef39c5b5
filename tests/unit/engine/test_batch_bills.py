"""What a provider's batch is billed at: by the length of each answer, whoever adds them up."""

import json
from typing import Any

import pytest

from headgate.core.usage import Measures, Usage
from headgate.engine.batch_bills import ResultLines, summed_up
from headgate.engine.overhearing import Line, total_of

SUM = {
    "input_tokens": 100,
    "input_tokens_details": {"cached_tokens": 10},
    "output_tokens": 50,
    "output_tokens_details": {"reasoning_tokens": 5},
}


def batch(**members: Any) -> dict[str, Any]:
    return {"status": "completed", "model": "m", "usage": SUM, **members}


def test_a_sum_is_shared_out_among_the_answers():
    lines = summed_up(batch(request_counts={"total": 4, "completed": 3, "failed": 1}))

    assert lines == [
        Line("m", Usage(input_tokens=33, cached_tokens=3, output_tokens=16, reasoning_tokens=1, tier="batch"), 2),
        Line("m", Usage(input_tokens=34, cached_tokens=4, output_tokens=18, reasoning_tokens=3, tier="batch")),
    ]
    assert total_of(lines) == Usage(
        input_tokens=100, cached_tokens=10, output_tokens=50, reasoning_tokens=5, tier="batch"
    )


@pytest.mark.parametrize(
    "members",
    [
        {"status": "in_progress"},
        {"status": "validating"},
        {"usage": None},
        {"usage": {"input_tokens": 0, "output_tokens": 0}},
        {"usage": {"input_tokens": -5, "output_tokens": "x"}},
    ],
)
def test_what_tells_no_final_sum(members: dict[str, Any]):
    assert summed_up(batch(**members)) == []


def test_a_sum_of_nobody_knows_how_many_is_one():
    assert [(line.model, line.answers) for line in summed_up(batch(model=None))] == [("", 1)]


MESSAGE = {
    "id": "msg",
    "type": "message",
    "role": "assistant",
    "model": "claude",
    "content": [],
    "stop_reason": "end_turn",
    "usage": {"input_tokens": 5, "output_tokens": 7},
}


@pytest.mark.parametrize("size", [1, 7, 10_000])
def test_lines_are_read_however_they_are_cut(size: int):
    told = [
        {"custom_id": "a", "result": {"type": "succeeded", "message": MESSAGE}},
        {"custom_id": "b", "result": {"type": "errored", "error": {}}},
        {"custom_id": "c", "response": {"status_code": 200, "body": {"object": "embedding.list"}}},
        {"custom_id": "d", "result": {"type": "succeeded", "message": MESSAGE}},
    ]
    data = b"\n".join([json.dumps(each).encode() for each in told] + [b"{torn"])
    lines = ResultLines()
    lines.begin("application/x-jsonl")
    for at in range(0, len(data), size):
        lines.feed(data[at : at + size])
    assert not lines.is_whole
    lines.feed(b"")

    assert lines.is_whole
    assert lines.bill() == [Line("claude", Usage(input_tokens=5, output_tokens=7, tier="batch"))] * 2


def test_lines_of_other_calls_than_talks_are_billed_too():
    vectors = {"object": "list", "model": "e", "data": [], "usage": {"prompt_tokens": 7, "total_tokens": 7}}
    text = {
        "object": "text_completion",
        "model": "t",
        "choices": [],
        "usage": {"prompt_tokens": 3, "completion_tokens": 4},
    }
    silent = {"object": "list", "model": "e", "data": []}
    unread = {"object": "moderation", "model": "o", "usage": {"prompt_tokens": 7}}
    lines = ResultLines()
    for body in (vectors, text, silent, unread):
        lines.feed(json.dumps({"response": {"status_code": 200, "body": body}}).encode() + b"\n")
    lines.feed(b"")

    assert lines.bill() == [
        Line("e", Usage(input_tokens=7, tier="batch")),
        Line("t", Usage(input_tokens=3, output_tokens=4, tier="batch")),
    ]


def test_a_single_answer_is_told_as_it_is():
    usage = Usage(input_tokens=3, measures=Measures(images=2), tier="batch")
    assert total_of([Line("m", usage)]) is usage
