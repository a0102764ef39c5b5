"""Where a call that passes through may go: whatever a client writes, it stays below the provider's base URL."""

import re
from urllib.parse import unquote, urlsplit

import pytest
from hypothesis import given
from hypothesis import strategies as st

from headgate.core.problems import InvalidRequest
from headgate.providers.catalog import Door
from headgate.routing.passing import passed_path, passed_query, passed_url

DOOR = Door("openai_chat", "https://api.example.com/base/v1")
AZURE = Door("openai_chat", "https://api.example.com/openai", query="api-version=2026-01-01&subscription-key=s")

NASTY = st.sampled_from(
    [
        "..", ".", "%2e%2e", "%2E.", "%252e", "%2f", "%2F", "/", "//", "\\", "%5c", "@", "%40", ":", "http://evil", "?",
        "#", "%23", "%3f", ";", "..;", "%00", "%0d%0a", " ", "\t", "é", "%c3%a9", "%ff", "%", "%zz", "v1", "a", "~",
    ]
)  # fmt: skip
PATHS = st.lists(NASTY | st.text(max_size=4), max_size=8).map("".join)


@given(PATHS)
def test_no_path_leaves_the_base(raw: str):
    try:
        path = passed_path(raw)
    except InvalidRequest:
        return
    url = passed_url(DOOR, path, "")

    parts = urlsplit(url)
    assert (parts.scheme, parts.netloc, parts.query, parts.fragment) == ("https", "api.example.com", "", "")
    assert parts.path.startswith("/base/v1/")
    assert re.fullmatch(r"[\x21-\x7e]+", url)
    text = parts.path
    for _ in range(3):  # however often a server on the way decodes it
        assert not {".", ".."} & {segment.partition(";")[0] for segment in re.split(r"[/\\]", text[1:])}
        assert "//" not in text
        text = unquote(text)


@given(st.lists(NASTY | st.text(max_size=4), max_size=8).map("".join))
def test_no_query_is_more_than_a_query(raw: str):
    try:
        query = passed_query(raw, AZURE)
    except InvalidRequest:
        return
    url = passed_url(AZURE, "/x", query)

    parts = urlsplit(url)
    assert (parts.netloc, parts.path, parts.fragment) == ("api.example.com", "/openai/x", "")
    assert parts.query.endswith(AZURE.query)


@pytest.mark.parametrize(
    ("raw", "path"),
    [
        ("/v1/files", "/v1/files"),
        ("/v1/files/", "/v1/files"),
        ("/v1/ft%3Agpt%2D4o", "/v1/ft:gpt-4o"),
        ("/publishers/anthropic/models/claude@2026:rawPredict", "/publishers/anthropic/models/claude@2026:rawPredict"),
        ("/a%20b/%C3%A9", "/a%20b/%C3%A9"),
    ],
)
def test_a_plain_path_is_written_anew(raw: str, path: str):
    assert passed_path(raw) == path


def test_a_version_twice_is_once():
    assert passed_url(DOOR, "/v1/x", "") == "https://api.example.com/base/v1/x"
    assert passed_url(DOOR, "/x", "a=1") == "https://api.example.com/base/v1/x?a=1"


@pytest.mark.parametrize(
    "raw", ["", "/", "/%2e", "/a/%2e%2e", "//a", "/a//b", "/a%2fb", "/%25", "/@a", "/%0a", "/%ff", "/a\\b", "/a b"]
)
def test_what_could_be_read_in_two_ways_is_refused(raw: str):
    with pytest.raises(InvalidRequest, match="cannot be passed through"):
        passed_path(raw)


@pytest.mark.parametrize(
    ("raw", "query"),
    [
        ("", ""),
        ("a=1&b=%20", "a=1&b=%20"),
        ("key=mine&a=1&provider=x", "a=1"),
        ("api-version=old&Subscription-Key=mine&%61pi-version=x&a=1", "a=1"),
    ],
)
def test_what_is_ours_or_the_providers_to_say_is_left_out(raw: str, query: str):
    assert passed_query(raw, AZURE) == query


@pytest.mark.parametrize("raw", ["a b", "a=%zz", "a=é", "a#b"])
def test_a_query_that_is_none_is_refused(raw: str):
    with pytest.raises(InvalidRequest, match="percent-encoded"):
        passed_query(raw, DOOR)
