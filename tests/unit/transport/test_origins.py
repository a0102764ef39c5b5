"""URLs and request heads: what is read, what is written, what is refused."""

import pytest

from headgate.transport.origins import HeadWriter, Origin, head_of, parse_place


@pytest.mark.parametrize(
    ("url", "origin", "target", "shown"),
    [
        ("http://a.example", Origin("http", "a.example", 80), "/", "http://a.example"),
        ("https://A.Example:443/v1?x=1#top", Origin("https", "a.example", 443), "/v1?x=1", "https://a.example"),
        ("http://[::1]:8080/x", Origin("http", "::1", 8080), "/x", "http://[::1]:8080"),
        ("https://bücher.example/?q", Origin("https", "xn--bcher-kva.example", 443), "/?q", "https://xn--bcher-kva.example"),
        ("http://my_host:1/a:b%20c", Origin("http", "my_host", 1), "/a:b%20c", "http://my_host:1"),
    ],
)  # fmt: skip
def test_a_url_leads_to_a_place(url, origin, target, shown):
    place = parse_place(url)
    assert (place.origin, place.target, str(place.origin)) == (origin, target, shown)


@pytest.mark.parametrize(
    "url",
    [
        "ftp://a/",
        "a.example/v1",
        "http:///x",
        "http://user:word@a/",
        "http://user@a/",
        "http://a/with space",
        "http://a/ü",
        "http://a b/",
        "http://a..b/",
        "http://" + "a" * 64 + ".example/",
        "http://a:99999/",
        "http://a:x/",
        "http://[::1/",
    ],
)
def test_a_url_that_leads_nowhere_is_refused(url):
    with pytest.raises(ValueError, match=r".") as caught:
        parse_place(url)
    assert "word" not in str(caught.value).replace("password", "")


def render(headers=(), method="POST", body=b"{}"):
    url = "http://a:1/v1?k=1"
    return head_of(HeadWriter().render(method, parse_place(url), tuple(headers)), method, body)


def test_a_head_is_written():
    assert render([("X-A", "é"), ("x-b", "")]) == (
        b"POST /v1?k=1 HTTP/1.1\r\nhost: a:1\r\naccept-encoding: identity\r\n"
        b"X-A: \xe9\r\nx-b: \r\ncontent-length: 2\r\n\r\n"
    )


@pytest.mark.parametrize(
    ("method", "body", "length"), [("GET", b"", None), ("POST", b"", b"0"), ("DELETE", b"x", b"1"), ("HEAD", b"", None)]
)
def test_the_length_is_written_where_a_body_is_or_could_be(method, body, length):
    head = render(method=method, body=body)
    assert head.partition(b"content-length: ")[2] == (length + b"\r\n\r\n" if length else b"")


@pytest.mark.parametrize("value", ["a\r\nx-evil: 1", "a\nb", "a\rb", "\r\n", "a\0b", "snow ☃"])
def test_a_value_that_forges_is_refused_and_not_told(value):
    with pytest.raises(ValueError, match="header 'authorization'") as caught:
        render([("fine", "fine"), ("authorization", f"Bearer sk-secret{value}")])
    assert "sk-secret" not in str(caught.value)


@pytest.mark.parametrize(
    "name", ["", "a b", "a:b", "a\r\nb", "ü", "Host", "content-length", "Transfer-Encoding", "connection"]
)
def test_a_name_that_is_none_or_ours_is_refused(name):
    with pytest.raises(ValueError, match="header"):
        render([(name, "x")])


@pytest.mark.parametrize("method", ["BREW", "post", "GET / HTTP/1.1\r\n", ""])
def test_a_method_that_is_none_of_ours_is_refused(method):
    with pytest.raises(ValueError, match="no method"):
        render(method=method)
