"""What a batch's calls have come to: kept line by line, found again after a kill, held by one process."""

import json
from pathlib import Path

import pytest
from msgspec import Raw

from headgate.app.own.results import Result, Results, RunsElsewhere, output_line


def result(number: int, status: int = 200) -> Result:
    return Result(
        number=number, custom_id=f"c{number}", status=status, request_id=f"req_{number}", body=Raw(b'{"a":1}')
    )


def test_results_are_found_again(tmp_path: Path):
    with Results(tmp_path / "b.jsonl") as first:
        first.add(result(1))
        first.add(result(3, 500))
    with Results(tmp_path / "b.jsonl") as second:
        assert (second.done, second.good, second.bad) == ({1, 3}, 1, 1)
        assert list(second) == [result(1), result(3, 500)]


def test_a_torn_end_is_cut_off(tmp_path: Path):
    path = tmp_path / "b.jsonl"
    with Results(path) as first:
        first.add(result(1))
    path.write_bytes(path.read_bytes() + b'{"number":2,"cust')
    with Results(path) as second:
        second.add(result(2))
        assert second.done == {1, 2}
    with Results(path) as third:
        assert list(third) == [result(1), result(2)]


def test_a_batch_runs_once_at_a_time(tmp_path: Path):
    with Results(tmp_path / "b.jsonl"), pytest.raises(RunsElsewhere):
        Results(tmp_path / "b.jsonl")
    Results(tmp_path / "b.jsonl").close()


def test_a_line_of_the_output():
    assert json.loads(output_line(result(1))) == {
        "id": "batch_req_1",
        "custom_id": "c1",
        "response": {"status_code": 200, "request_id": "req_1", "body": {"a": 1}},
        "error": None,
    }
