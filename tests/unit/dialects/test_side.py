"""Rows of the table beside chat: content types, forms, models put in place of others."""

from typing import Any

import pytest
from tests.unit.dialects.test_multipart import HEAD, TYPE, form

from headgate.core.problems import InvalidRequest
from headgate.dialects.base import Envelope, Target
from headgate.dialects.registry import DIALECTS
from headgate.dialects.side import (
    Asked,
    Form,
    Sent,
    check_content_type,
    estimated,
    is_form,
    is_json,
    patched,
    usage_told,
)

FILE = '{}; filename="x.bin"'


def made(*fields: tuple[str, bytes], files: tuple[tuple[str, bytes], ...] = ()) -> Form:
    parts = [(HEAD.format(name), content) for name, content in fields]
    parts += [(FILE.format(HEAD.format(name)), content) for name, content in files]
    return Form(Sent(body=form(*parts), envelope=Envelope(), content_type=TYPE))


def sent(body: bytes, content_type: str = "application/json", model: str = "") -> Sent:
    return Sent(body=body, envelope=Envelope(model=model), content_type=content_type)


@pytest.mark.parametrize("name", ["embeddings", "image_edits"])
@pytest.mark.parametrize(
    "content_type",
    ["", "application/json", "Application/JSON; charset=utf-8", "application/vnd.x+json", "text/plain; x", "text/json"],
)
def test_what_is_taken_for_json(name: str, content_type: str):
    check_content_type(DIALECTS["openai_chat"].sides[name], content_type)


def test_a_form_is_taken_where_there_are_files():
    for name in ("image_edits", "transcriptions"):
        check_content_type(DIALECTS["openai_chat"].sides[name], "Multipart/Form-Data; boundary=x")


@pytest.mark.parametrize(
    ("name", "content_type", "word"),
    [
        (
            "embeddings",
            "multipart/form-data; boundary=x",
            "multipart/form-data cannot be used here; send application/json",
        ),
        ("transcriptions", "", "is missing: it cannot be used here; send multipart/form-data"),
        ("transcriptions", "application/json", "application/json cannot be used here; send multipart/form-data"),
        ("image_edits", "image/png", "send multipart/form-data or application/json"),
    ],
)
def test_another_content_type_is_refused(name: str, content_type: str, word: str):
    with pytest.raises(InvalidRequest, match=word) as caught:
        check_content_type(DIALECTS["openai_chat"].sides[name], content_type)
    problem = caught.value.problem
    assert (problem.http_status, problem.param) == (415, "content-type")


def test_kinds_of_bodies():
    assert is_form("multipart/FORM-data; boundary=x")
    assert not is_form("multipart/mixed")
    assert is_json("application/problem+json")
    assert not is_json("audio/mpeg")


def test_a_model_is_replaced_and_nothing_else():
    body = b'{ "a" : [1.50, "\\u00e9"], "model":"route", "b":1e2 }'
    asked = Asked(model="route", measured=estimated(1))
    assert patched(sent(body), asked, Target(model="route")) == body
    assert patched(sent(body), asked, Target(model="m")) == b'{"a":[1.50, "\\u00e9"],"model":"m","b":1e2}'
    assert patched(sent(b'{"a":1}'), asked, Target(model="m")) == b'{"a":1,"model":"m"}'


def test_a_model_in_a_form_is_replaced_and_nothing_else():
    body = form((HEAD.format("model"), b"route"), (FILE.format(HEAD.format("file")), b"route\r\n"))
    at = Form(sent(body, TYPE)).span("model")
    asked = Asked(model="route", measured=estimated(1), model_at=at)
    assert patched(sent(body, TYPE), asked, Target(model="other")) == body.replace(b"route", b"other", 1)


def test_a_model_that_a_form_lacks_is_put_in_front():
    body = form((FILE.format(HEAD.format("file")), b"x"))
    asked = Asked(model="route", measured=estimated(1))
    there = patched(sent(body, TYPE), asked, Target(model="m"))
    assert there.endswith(body)
    assert Form(sent(there, TYPE)).field("model") == "m"
    with pytest.raises(InvalidRequest, match="'model' is required"):
        patched(sent(b"preamble\r\n" + body, TYPE), asked, Target(model="m"))


def test_fields():
    fields = made(("a", b"x"), ("t", b"TRUE"), ("one", b"1"), ("no", b"false"), ("n", b"7"), ("f", b"1.5"), ("e", b""))
    assert (fields.field("a"), fields.field("z"), fields.span("z")) == ("x", None, None)
    assert (fields.flag("t"), fields.flag("one"), fields.flag("no"), fields.flag("z")) == (True, True, False, False)
    assert (fields.integer("n"), fields.integer("z"), fields.integer("e")) == (7, None, None)
    fields.number("f")
    fields.number("z")


@pytest.mark.parametrize(
    ("verb", "value"),
    [
        ("flag", b"perhaps"),
        ("integer", b"1.5"),
        ("integer", b"0"),
        ("integer", b"1234567890"),
        ("integer", "²".encode()),
        ("number", b"x"),
        ("number", b"inf"),
        ("required", b""),
        ("field", b"\xff"),
        ("field", b"x" * 4097),
    ],
)
def test_fields_that_are_wrong(verb: str, value: bytes):
    with pytest.raises(InvalidRequest) as caught:
        getattr(made(("n", value)), verb)("n")
    assert caught.value.problem.param == "n"


def test_a_field_twice():
    with pytest.raises(InvalidRequest, match="2 times"):
        made(("n", b"1"), ("n", b"1")).field("n")


def test_files():
    found = made(files=(("image", b"a"), ("image[]", b"bc"), ("mask", b"d"))).files("image", "image[]")
    assert [bytes(file) for file in found] == [b"a", b"bc"]


@pytest.mark.parametrize(
    ("fields", "files", "word"),
    [
        ((), (), "'image' is required"),
        ((("image[]", b"words"),), (), "'image\\[\\]' must be a file"),
        ((), (("image", b""),), "'image' is an empty file"),
    ],
)
def test_files_that_are_wrong(fields: Any, files: Any, word: str):
    with pytest.raises(InvalidRequest, match=word):
        made(*fields, files=files).files("image", "image[]")


def test_every_row_stands_in_one_place():
    paths = [path for dialect in DIALECTS.values() for side in dialect.sides.values() for path in side.paths]
    assert len(paths) == len(set(paths))
    assert {"/v1/embeddings", "/v1/rerank", "/v1/responses/compact", "/v2/embed", "/api/embed"} <= set(paths)


@pytest.mark.parametrize(
    ("dialect", "name", "body", "input_tokens"),
    [
        ("openai_chat", "completions", b'{"error":{},"usage":{"prompt_tokens":7}}', 7),
        ("openai_chat", "image_edits", b'{"error":{},"usage":{"input_tokens":7}}', 7),
        ("openai_chat", "embeddings", b'{"error":{},"usage":{"prompt_tokens":7,"total_tokens":7}}', 7),
        ("cohere", "embeddings", b'{"message":"no","meta":{"billed_units":{"input_tokens":7}}}', 7),
        ("openai_responses", "compaction", b'{"error":{},"usage":{"input_tokens":7,"output_tokens":0}}', 7),
        ("openai_responses", "compaction", b'{"error":{},"usage":null}', None),
        ("gemini", "interactions", b'{"error":{},"usage":{"total_input_tokens":7}}', 7),
        ("gemini", "interactions", b'{"error":{}}', None),
        ("gemini", "interactions", b'{"error":{},"usage":"odd"}', None),
        ("openai_chat", "moderations", b'{"error":{},"usage":{"prompt_tokens":7}}', None),
        ("openai_chat", "speech", b"[1]", None),
        ("openai_chat", "speech", b"\xff", None),
    ],
)
def test_what_a_body_tells_of_usage_whatever_else_it_is(dialect: str, name: str, body: bytes, input_tokens: int | None):
    told = usage_told(DIALECTS[dialect].sides[name], body)
    assert (told and told.input_tokens) == input_tokens
