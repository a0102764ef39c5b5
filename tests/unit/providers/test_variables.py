"""Blanks in a provider's URLs: what fills them, and what may not."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from headgate.providers.spec import Variable
from headgate.providers.variables import Unfilled, Values, blanks, wanting

VARIABLES = {
    "resource": Variable(env=("ONE", "TWO"), about="the first part of the host"),
    "endpoint": Variable(env=("END",), default="{resource}.example.com"),
    "version": Variable(default=""),
    "path": Variable(of="version", cases={"": "v1", "preview": "v1"}, default="deployments/{model}"),
    "bare": Variable(),
}


def filled(template: str, given: dict[str, str] | None = None, environ: dict[str, str] | None = None) -> str:
    return Values(VARIABLES, given or {}, environ or {}).fill(template)


@pytest.mark.parametrize(
    ("template", "given", "environ", "text"),
    [
        ("https://{resource}/x", {"resource": "a"}, {"ONE": "b"}, "https://a/x"),
        ("https://{resource}/x", {}, {"ONE": " ", "TWO": "b"}, "https://b/x"),
        ("https://{resource}/x", {"resource": ""}, {"ONE": "b"}, "https://b/x"),
        ("https://{endpoint}/x", {"resource": "a"}, {}, "https://a.example.com/x"),
        ("https://{endpoint}/x", {}, {"END": "https://other.example.org/"}, "https://other.example.org/x"),
        ("/{path}", {}, {}, "/v1"),
        ("/{path}", {"version": "preview"}, {}, "/v1"),
        ("/{path}", {"version": "2025-04-01-preview"}, {}, "/deployments/{model}"),
        ("{version}", {}, {}, ""),
        ("/{model}:go", {}, {}, "/{model}:go"),
    ],
)
def test_a_blank_is_filled(template: str, given: dict[str, str], environ: dict[str, str], text: str):
    assert filled(template, given, environ) == text


@pytest.mark.parametrize(
    ("template", "given", "environ", "variable", "told"),
    [
        (
            "{resource}",
            {},
            {},
            "resource",
            "is not set (the first part of the host); write it there, or set the environment variable ONE or TWO",
        ),
        ("{endpoint}", {}, {}, "resource", "is not set"),
        ("{bare}", {}, {}, "bare", "is not set; write it there"),
        ("{nobody}", {}, {}, "nobody", "Known here: resource, endpoint, version, path, bare, model"),
        ("{resource}", {"resource": "evil.org/"}, {}, "resource", None),
        ("{resource}", {"resource": "evil.org/x"}, {}, "resource", "'evil.org/x' may have letters, digits and . _ -"),
        ("{resource}", {}, {"TWO": "a?b"}, "resource", "'a?b' in the environment variable TWO may have letters"),
    ],
)
def test_what_cannot_be_filled_is_told(
    template: str, given: dict[str, str], environ: dict[str, str], variable: str, told: str | None
):
    if told is None:
        assert filled(template, given, environ) == "evil.org"
        return
    with pytest.raises(Unfilled) as caught:
        filled(template, given, environ)
    assert caught.value.variable == variable
    assert told in caught.value.text
    assert str(caught.value) == f"{variable}: {caught.value.text}"


@pytest.mark.parametrize(
    "value", ["a/b", "a@b", "a:80", "a#", "a?", "a b", "a\nb", "..", "a..b", ".a", "-a", "a.", "é"]
)
def test_a_value_cannot_leave_its_place(value: str):
    with pytest.raises(Unfilled):
        filled("https://{resource}.example.com/", {"resource": value})


@given(st.text(max_size=12))
def test_whatever_is_said_the_host_stays_below_its_domain(value: str):
    try:
        url = filled("https://{resource}.example.com/path", {"resource": value}, {"ONE": "usual"})
    except Unfilled:
        return
    assert re.fullmatch(r"https://[A-Za-z0-9_.-]+\.example\.com/path", url)


def test_what_is_wanting_is_named_by_its_variable_once():
    assert wanting(VARIABLES, {}) == ["ONE or TWO", "bare"]
    assert wanting(VARIABLES, {"TWO": "x"}) == ["bare"]
    assert wanting(VARIABLES, {"END": "x", "ONE": "a/b"}) == ["ONE or TWO", "bare"]


def test_blanks_are_found():
    assert blanks("https://{a}.b/{c}{a}") == {"a", "c"}
