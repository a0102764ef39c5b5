"""What providers tell of the batches that they keep."""

from typing import Any

import pytest

from headgate.dialects.batched import errors_of, has_answers, inlined, is_over, output_ids, results_of
from headgate.dialects.resources import COLLECTIONS, Place

OPENAI, ANTHROPIC = Place(COLLECTIONS["/batches"], "b"), Place(COLLECTIONS["/messages/batches"], "b")


@pytest.mark.parametrize(
    ("batch", "expected"),
    [
        ({"status": "validating"}, False),
        ({"status": "in_progress"}, False),
        ({"status": "completed"}, True),
        ({"status": "expired"}, True),
        ({"processing_status": "in_progress", "status": "completed"}, False),
        ({"processing_status": "ended"}, True),
        ({"status": "QUEUED"}, False),
        ({"status": "RUNNING"}, False),
        ({"status": "CANCELLATION_REQUESTED"}, False),
        ({"status": "SUCCESS"}, True),
        ({"status": "TIMEOUT_EXCEEDED"}, True),
        ({"status": "FAILED"}, True),
        ({"status": "IN_PROGRESS"}, False),
        ({"status": "CANCELLED"}, True),
        ({"status": None}, False),
        ({"metadata": {"state": "BATCH_STATE_RUNNING"}}, False),
        ({"metadata": {"state": "BATCH_STATE_SUCCEEDED"}, "done": True}, True),
        ({"metadata": {"state": "BATCH_STATE_EXPIRED"}}, True),
        ({"metadata": {"job": "x"}, "status": "completed"}, True),
        ({}, False),
    ],
)
def test_when_a_batch_is_over(batch: dict[str, Any], expected: bool):
    assert is_over(batch) is expected


@pytest.mark.parametrize(
    ("place", "batch", "results", "errors"),
    [
        (OPENAI, {"output_file_id": "o", "error_file_id": "e"}, ["/files/o/content"], ["/files/e/content"]),
        (OPENAI, {"output_file": "o", "error_file": None}, ["/files/o/content"], []),
        (OPENAI, {"output_file_id": ""}, [], []),
        (ANTHROPIC, {"results_url": "https://x.test"}, ["/messages/batches/b/results"], []),
        (ANTHROPIC, {"results_url": None}, [], []),
    ],
)
def test_where_results_are(place: Place, batch: dict[str, Any], results: list[str], errors: list[str]):
    assert [each.path for each in results_of(place, batch)] == results
    assert [each.path for each in errors_of(batch)] == errors


def test_which_files_are_results():
    assert output_ids({"output_file_id": "a", "output_file": "b", "error_file_id": "c"}) == ["a", "b"]


@pytest.mark.parametrize(
    ("batch", "expected"),
    [
        ({"request_counts": {"completed": 0, "failed": 2}}, False),
        ({"request_counts": {"completed": 1}}, True),
        ({"request_counts": {"succeeded": 0, "errored": 1}}, False),
        ({"request_counts": None, "status": "completed"}, True),
        ({"metadata": {"batchStats": {"requestCount": "2"}}}, False),
        ({"metadata": {"batchStats": {"requestCount": "2", "successfulRequestCount": "1"}}}, True),
        ({"succeeded_requests": 0}, False),
        ({"succeeded_requests": 3}, True),
        ({}, True),
    ],
)
def test_whether_a_line_was_answered(batch: dict[str, Any], expected: bool):
    assert has_answers(batch) is expected


@pytest.mark.parametrize(
    ("batch", "found"),
    [
        ({"response": {"inlinedResponses": {"inlinedResponses": [{"response": {}}, "odd"]}}}, [{"response": {}}]),
        ({"response": {"inlinedResponses": {"inlinedResponses": None}}}, []),
        ({"response": {"responsesFile": "files/x"}}, []),
        ({}, []),
    ],
)
def test_results_that_stand_in_the_batch(batch: dict[str, Any], found: list[dict[str, Any]]):
    assert inlined(batch) == found
