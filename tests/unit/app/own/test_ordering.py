"""A batch's lines as orders at providers, and what comes back of them."""

import json
from typing import Any

import pytest
from msgspec import Raw

from headgate.app.own import ordering
from headgate.app.own.lines import Line
from headgate.app.own.ordering import Order, cut, result_of, results_in, spans_of
from headgate.app.own.results import Result

LINES = {number: Line(number, name, "/v1/x", b"") for number, name in ((1, "a"), (7, "b"))}


def line(number: int) -> Line:
    return Line(number, f"c{number}", "/v1/chat/completions", b"{}")


@pytest.mark.parametrize(
    ("numbers", "spans"),
    [([], []), ([3], [(3, 3)]), ([1, 2, 3, 7, 9, 10], [(1, 3), (7, 7), (9, 10)])],
)
def test_numbers_are_kept_as_runs(numbers: list[int], spans: list[tuple[int, int]]):
    assert spans_of(numbers) == spans
    order = Order(
        provider="p",
        model="m",
        url="/v1/messages",
        api="anthropic",
        session="s",
        spans=spans,
        lines=len(numbers),
        id="x",
    )
    assert [number for number in range(12) if order.has(number)] == numbers
    assert order.path == "/v1/messages/batches/x"


def test_orders_are_no_longer_than_is_taken(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(ordering, "ORDER_LINES_MAX", 2)
    bodies = [(line(number), b"x" * size) for number, size in enumerate((1, 1, 1, 9, 2, 20, 1))]

    assert [[each.number for each, _ in part] for part in cut(bodies, 10)] == [[0, 1], [2, 3], [4], [5], [6]]
    assert list(cut([], 10)) == []


def response(status: int, body: Any) -> dict[str, Any]:
    return {"response": {"status_code": status, "request_id": "req_x", "body": body}, "error": None}


def errored(kind: str) -> dict[str, Any]:
    return {"result": {"type": "errored", "error": {"type": "error", "error": {"type": kind, "message": "no"}}}}


@pytest.mark.parametrize(
    ("told", "status", "body", "id"),
    [
        (response(200, {"id": "x"}), 200, {"id": "x"}, "req_x"),
        (response(400, {"error": {}}), 400, {"error": {}}, "req_x"),
        ({"result": {"type": "succeeded", "message": {"id": "msg"}}}, 200, {"id": "msg"}, ""),
        (errored("invalid_request_error"), 400, errored("invalid_request_error")["result"]["error"], ""),
    ],
)
def test_results_are_read(told: dict[str, Any], status: int, body: Any, id: str):
    found = result_of(json.dumps({"custom_id": "line-7", **told}, separators=(",", ":")).encode(), LINES)

    wanted = Raw(json.dumps(body, separators=(",", ":")).encode())
    assert found == Result(number=7, custom_id="b", status=status, request_id=id, body=wanted, is_batched=True)


@pytest.mark.parametrize(
    "told",
    [
        {"custom_id": "line-7", "response": None, "error": {"code": "batch_expired"}},
        {"custom_id": "line-7", **response(500, {})},
        {"custom_id": "line-7", **response(429, {})},
        {"custom_id": "line-7", "result": {"type": "expired"}},
        {"custom_id": "line-7", "result": {"type": "canceled"}},
        {"custom_id": "line-7", **errored("overloaded_error")},
        {"custom_id": "line-8", **response(200, {})},
        {"custom_id": "x", **response(200, {})},
        {"custom_id": 5},
    ],
)
def test_what_is_worth_another_call_or_no_line_of_ours_is_passed_over(told: dict[str, Any]):
    assert result_of(json.dumps(told).encode(), LINES) is None


@pytest.mark.parametrize("told", [b"", b"{", b"\xff", b'{"custom_id":"line-7","result":{"type":"errored","error":5}}'])
def test_what_cannot_be_read_is_passed_over(told: bytes):
    assert result_of(told, LINES) is None


def test_results_in_the_batch_itself_are_lines_like_those_of_a_file():
    told = [
        {"response": {"candidates": []}, "metadata": {"key": "line-1"}},
        {"error": {"code": 3, "message": "no"}, "metadata": {"key": "line-7"}},
        {"error": {"code": 99}},
    ]
    lines = list(results_in({"response": {"inlinedResponses": {"inlinedResponses": told}}}))

    found = [result_of(line, LINES) for line in lines]
    assert [(each and (each.custom_id, each.status, json.loads(bytes(each.body)))) for each in found] == [
        ("a", 200, {"candidates": []}),
        ("b", 400, {"error": {"code": 400, "message": "no"}}),
        None,
    ]
    assert list(results_in({})) == []
