"""Things that providers keep: what paths, bodies, answers and lists say of them."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from headgate.dialects.resources import COLLECTIONS, Place, cursor_of, joined, made_by, members_of, named_in, place_of
from headgate.dialects.resources import read_page as read
from headgate.dialects.resources import render_page as render


def place(path: str, id: str = "", rest: str = "") -> Place:
    return Place(COLLECTIONS[path], id, rest)


@pytest.mark.parametrize(
    ("path", "found"),
    [
        ("/files", place("/files")),
        ("/v1/files/", place("/files")),
        ("/v1/v1/files/file-1", place("/files", "file-1")),
        ("/api/v1/files/%66ile-1/content", place("/files", "file-1", "/content")),
        ("/openai/v1/batches/b/cancel", place("/batches", "b", "/cancel")),
        ("/v1/messages/batches", place("/messages/batches")),
        ("/v1/messages/batches/msgbatch_1/results", place("/messages/batches", "msgbatch_1", "/results")),
        ("/fine_tuning/jobs/ftjob-1/events", place("/fine_tuning/jobs", "ftjob-1", "/events")),
        ("/vector_stores/vs/files/f/content", place("/vector_stores", "vs", "/files/f/content")),
        ("/v1/batch/jobs/j/cancel", place("/batch/jobs", "j", "/cancel")),
        ("/v1/files/upload", place("/files/upload")),
        ("/v1beta/batches/b", place("/v1beta/batches", "b")),
        ("/v1beta/batches/b:cancel", place("/v1beta/batches", "b", ":cancel")),
        ("/v1beta/interactions/i/cancel", place("/interactions", "i", "/cancel")),
        (
            "/v1beta/models/gemini-2.5-flash:batchGenerateContent",
            place("/v1beta/batches", rest="/models/gemini-2.5-flash:batchGenerateContent"),
        ),
        ("/v1beta/models/../x:batchGenerateContent", None),
        ("/v1/messages", None),
        ("/v1/embeddings", None),
        ("/", None),
        ("", None),
    ],
)
def test_what_a_path_names(path: str, found: Place | None):
    assert place_of(path) == found


@pytest.mark.parametrize("path", ["/batches/b:cancel", "/v1/batches/b:cancel", "/v1beta/batches/b:cancel"])
def test_the_same_path_at_google(path: str):
    assert place_of(path, is_googles=True) == place("/v1beta/batches", "b", ":cancel")
    assert place_of("/v1/models/m:batchGenerateContent") == place(
        "/v1beta/batches", rest="/models/m:batchGenerateContent"
    )


def test_a_place_knows_its_path():
    assert place("/files").path == "/files"
    assert place("/files", "a", "/content").path == "/files/a/content"


@pytest.mark.parametrize(
    "path", ["/files/..", "/files/a/%2e%2e", "/files/a%2Fb", "/files/%00", "/files/a//b", "/files/a b"]
)
def test_what_can_be_no_id(path: str):
    with pytest.raises(ValueError, match="files"):
        place_of(path)


@given(st.text(alphabet="/.%2eEfF5cCv1iles", max_size=30))
def test_whatever_is_found_climbs_nowhere(path: str):
    try:
        found = place_of(path)
    except ValueError:
        return
    if found is not None:
        assert not {"", ".", ".."} & set(found.path[1:].split("/"))
        assert "%" not in found.path


@pytest.mark.parametrize(
    ("body", "ids"),
    [
        ({"input_file_id": "f", "x": {"file_id": "no"}}, ("f",)),
        ({"file_ids": ["a", "b", 5, ""], "file_id": "a"}, ("a", "b")),
        ({"conversation": {"id": "c"}, "training_file": None}, ("c",)),
        ({}, ()),
        ([], ()),
    ],
)
def test_what_a_body_names(body: Any, ids: tuple[str, ...]):
    assert named_in(json.dumps(body).encode()) == ids


@pytest.mark.parametrize("body", [b"", b"\xff", b"[" * 100_000, b"--boundary"])
def test_a_body_that_is_no_object_names_nothing(body: bytes):
    assert members_of(body) == {}


@pytest.mark.parametrize(
    ("where", "method", "answer", "made"),
    [
        (place("/files"), "POST", {"id": "f"}, {"f": "file"}),
        (place("/files"), "GET", {"id": "f"}, {}),
        (place("/files", "f"), "POST", {"id": "f"}, {}),
        (place("/files"), "POST", {"id": 5}, {}),
        (place("/batches"), "POST", {"job": {"id": "j"}, "warning": ""}, {"j": "batch"}),
        (place("/v1beta/batches", rest="/x"), "POST", {"name": "batches/b"}, {"b": "batch"}),
        (place("/v1beta/batches", rest="/x"), "POST", {"name": "operations/b"}, {}),
        (
            place("/batch/jobs", "j"),
            "GET",
            {"output_file": "o", "error_file": "e"},
            dict.fromkeys("oe", "batch_output"),
        ),
        (place("/videos", "v", "/remix"), "POST", {"id": "w"}, {"w": "video"}),
        (
            place("/batches", "b"),
            "GET",
            {"id": "b", "output_file_id": "o", "error_file_id": None},
            {"o": "batch_output"},
        ),
        (place("/fine_tuning/jobs", "j"), "GET", {"result_files": ["r", None]}, {"r": "file"}),
        (place("/uploads", "u", "/complete"), "POST", {"id": "u", "file": {"id": "f"}}, {"f": "file"}),
    ],
)
def test_what_an_answer_has_made(where: Place, method: str, answer: dict[str, Any], made: dict[str, str]):
    assert made_by(where, method, answer) == made


def test_a_page_with_other_items():
    page = read(b'{"object":"list","data":[{"id":"a"},{"id":"b"}],"first_id":"a","last_id":"b","has_more":true}')

    assert page.has_more
    assert json.loads(render(page, page.items[1:], has_more=False)) == {
        "object": "list",
        "data": [{"id": "b"}],
        "first_id": "b",
        "last_id": "b",
        "has_more": False,
    }


def test_an_empty_page_says_no_more_than_it_did():
    page = read(b'{"object":"list","data":[{"id":"a"}]}')

    assert not page.has_more
    assert json.loads(render(page, [], has_more=False)) == {"object": "list", "data": [], "has_more": False}


@pytest.mark.parametrize("body", [b"", b"[]", b"{}", b'{"data":5}', b'{"data":[5]}', b"\xff"])
def test_what_is_no_list(body: bytes):
    with pytest.raises(ValueError, match=r"."):
        read(body)


def test_a_query_with_a_parameter_set_anew():
    assert joined([("a", "1"), ("limit", "5")], limit="9") == [("a", "1"), ("limit", "9")]


def test_where_the_next_page_begins_is_said_in_the_apis_words():
    assert (cursor_of("openai_chat"), cursor_of("anthropic")) == ("after", "after_id")
