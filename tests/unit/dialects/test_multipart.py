"""Forms with files: what is found in them, however they are cut, and what is refused."""

from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from headgate.core.problems import InvalidRequest
from headgate.dialects.multipart import Begun, Content, Ended, Limits, Part, Scanner, boundary_of, parts_of, text_of

TYPE = "multipart/form-data; boundary=b0"
HEAD = 'Content-Disposition: form-data; name="{}"'


def form(*parts: tuple[str, bytes], boundary: str = "b0") -> bytes:
    """A form of these parts: head and content."""
    written = [f"--{boundary}\r\n{head}\r\n\r\n".encode() + content + b"\r\n" for head, content in parts]
    return b"".join(written) + f"--{boundary}--\r\n".encode()


def contents(body: bytes, content_type: str = TYPE) -> list[tuple[str, str | None, bytes]]:
    return [(part.name, part.file_name, body[part.start : part.end]) for part in parts_of(body, content_type)]


def fed(pieces: Sequence[bytes], boundary: bytes, limits: Limits | None = None) -> list[tuple[Begun, bytes, int]]:
    """What a scanner finds in a form that comes in pieces."""
    scanner = Scanner(boundary, limits)
    found: list[tuple[Begun, bytes, int]] = []
    begun, content = None, b""
    for piece in pieces:
        for event in scanner.feed(piece):
            match event:
                case Begun():
                    begun, content = event, b""
                case Content(data):
                    content += data
                case Ended(at):
                    assert begun is not None
                    found.append((begun, content, at))
    scanner.close()
    return found


def test_fields_and_files():
    body = form(
        (HEAD.format("model"), b"whisper-1"),
        (
            HEAD.format("file") + '; filename="a \\"b\\".wav"\r\nContent-Type: audio/wav\r\nContent-Length: 6',
            b"\r\n--b\r",
        ),
        (HEAD.format("empty"), b""),
        ("content-disposition:form-data;NAME=bare ; filename=x", b"1"),
    )
    assert contents(body) == [
        ("model", None, b"whisper-1"),
        ("file", 'a "b".wav', b"\r\n--b\r"),
        ("empty", None, b""),
        ("bare", "x", b"1"),
    ]
    assert parts_of(body, TYPE)[1].content_type == "audio/wav"


def test_what_stands_around_the_parts_is_skipped():
    body = (
        b"a preamble\r\n" + form((HEAD.format("n"), b"1")).replace(b"--b0\r", b"--b0 \t\r") + b"an epilogue\r\n--b0\r\n"
    )
    assert contents(body) == [("n", None, b"1")]
    assert contents(b"--b0--") == []


@pytest.mark.parametrize(
    ("content_type", "boundary"),
    [
        ("multipart/form-data; boundary=----WebKitFormBoundaryX", b"----WebKitFormBoundaryX"),
        ('Multipart/Form-Data;charset=utf-8; Boundary="a b"', b"a b"),
        ("multipart/form-data; boundary=x;", b"x"),
    ],
)
def test_the_boundary_that_is_named(content_type: str, boundary: bytes):
    assert boundary_of(content_type) == boundary


@pytest.mark.parametrize(
    ("content_type", "word"),
    [
        ("", "must be a form"),
        ("application/json", "must be a form"),
        ("multipart/mixed; boundary=x", "must be a form"),
        ("multipart/form-data", "no usable boundary"),
        ("multipart/form-data; boundary=", "no usable boundary"),
        ("multipart/form-data; boundary=a; boundary=b", "no usable boundary"),
        ('multipart/form-data; boundary="a', "no usable boundary"),
        ('multipart/form-data; boundary="a "', "no usable boundary"),
        (f"multipart/form-data; boundary={'x' * 71}", "no usable boundary"),
        ("multipart/form-data; boundary=é", "no usable boundary"),
    ],
)
def test_a_content_type_that_is_of_no_use(content_type: str, word: str):
    with pytest.raises(InvalidRequest, match=word):
        boundary_of(content_type)


N = HEAD.format("n")
BROKEN = {
    "empty": (b"", "ends before"),
    "no boundary": (b"x" * 20_000, "does not begin"),
    "a late boundary": (b"x" * 8200 + b"\r\n" + form((N, b"1")), "does not begin"),
    "line feeds alone": (form((N, b"1")).replace(b"\r", b""), "with CR and LF"),
    "cut in a head": (form((N, b"1"))[:20], "ends before"),
    "cut in a content": (form((N, b"1234"))[:-10], "ends before"),
    "no closing hyphens": (form((N, b"1"))[:-4], "ends before"),
    "one closing hyphen": (form((N, b"1"))[:-3], "ends before"),
    "a longer boundary": (form((N, b"1\r\n--b0x")), "must end its line"),
    "a hyphen and more": (form((N, b"1\r\n--b0-x")), "must end its line"),
    "much padding": (form((N, b"1")).replace(b"--b0\r", b"--b0" + b" " * 65 + b"\r"), "must end its line"),
    "no disposition": (form(("content-type: a/b", b"1")), "content-disposition"),
    "no head": (b"--b0\r\n\r\n1\r\n--b0--", "content-disposition"),
    "another disposition": (form(('content-disposition: attachment; name="a"', b"1")), "content-disposition"),
    "no name": (form(("content-disposition: form-data", b"1")), "no name"),
    "an empty name": (form((HEAD.format(""), b"1")), "no name"),
    "an open quote": (form(('content-disposition: form-data; name="a', b"1")), "no name"),
    "two names": (form((f'{N}; name="m"', b"1")), "name twice"),
    "two dispositions": (form((f"{N}\r\n{HEAD.format('m')}", b"1")), "content-disposition twice"),
    "no header field": (form((f"{N}\r\nnonsense", b"1")), "no header field"),
    "a folded field": (form((f"{N}\r\n x: y", b"1")), "no header field"),
    "a bare line feed": (form((f"{N}\nx: y", b"1")), "no header field"),
    "an encoding": (form((f"{N}\r\nContent-Transfer-Encoding: base64", b"MQ==")), "base64"),
    "a long head": (form((f"{N}\r\nx: {'y' * 8192}", b"1")), "over the limit of 8192"),
    "an endless head": (form((N, b"1"))[:10] + b"y" * 9000, "over the limit of 8192"),
    "many parts": (form(*[(N, b"1")] * 129), "more than 128 parts"),
}


@pytest.mark.parametrize("case", BROKEN)
def test_what_is_no_form_is_refused_however_it_is_cut(case: str):
    body, word = BROKEN[case]
    with pytest.raises(InvalidRequest, match=word):
        parts_of(body, TYPE)
    with pytest.raises(InvalidRequest, match=word):
        fed([bytes([byte]) for byte in body], b"b0")


def test_the_text_of_a_field():
    body = form((N, "é".encode()), (f'{N}; filename="f"', b"1"), (N, b"\xff"), (N, b"12345"))
    field, file, bad, long = parts_of(body, TYPE)
    assert text_of(field, body, 4) == "é"
    for part, word in ((file, "plain field"), (bad, "not UTF-8"), (long, "over the limit of 4")):
        with pytest.raises(InvalidRequest, match=word) as caught:
            text_of(part, body, 4)
        assert caught.value.problem.param == "n"


# Anything may be in a content, and the network may cut anywhere

NAMES = st.text(st.characters(codec="utf-8", exclude_characters='\r\n"\\', exclude_categories=("Cs",)), min_size=1)
ALMOST = st.sampled_from([b"\r\n--", b"\r\n", b"--", b"\r", b"\n", b"b0", b"\r\n--b", b"-", b"\x00"])
CONTENTS = (
    st.lists(ALMOST | st.binary(max_size=8), max_size=8).map(b"".join).filter(lambda data: b"\r\n--b0" not in data)
)
FORMS = st.lists(st.tuples(NAMES, st.none() | NAMES, CONTENTS.filter(lambda c: not c.startswith(b"--b0"))), max_size=5)


def written(parts: Sequence[tuple[str, str | None, bytes]]) -> bytes:
    heads = [HEAD.format(name) + ("" if file is None else f'; filename="{file}"') for name, file, _ in parts]
    return form(*zip(heads, [content for _, _, content in parts], strict=True))


@given(FORMS)
def test_every_form_is_read_as_it_was_written(parts: list[tuple[str, str | None, bytes]]):
    assert contents(written(parts)) == parts


@given(FORMS, st.data())
def test_a_cut_anywhere_changes_nothing(parts: list[tuple[str, str | None, bytes]], data: st.DataObject):
    body = written(parts)
    cuts = sorted(data.draw(st.lists(st.integers(0, len(body)), max_size=12)))
    pieces = [body[start:end] for start, end in zip([0, *cuts], [*cuts, len(body)], strict=True)]
    found = fed(pieces, b"b0")
    assert [(begun.name, begun.file_name, content) for begun, content, _ in found] == parts
    whole = parts_of(body, TYPE)
    assert [(begun.at, end) for begun, _, end in found] == [(part.start, part.end) for part in whole]


@given(st.binary(max_size=300), st.lists(st.integers(0, 400), max_size=8))
def test_arbitrary_bytes_are_read_or_refused_alike(data: bytes, places: list[int]):
    body = b"--b0\r\n" + data
    cuts = sorted(min(place, len(body)) for place in places)
    pieces = [body[start:end] for start, end in zip([0, *cuts], [*cuts, len(body)], strict=True)]

    def told(feed: Sequence[bytes]) -> object:
        try:
            return [(begun, bytes(content), end) for begun, content, end in fed(feed, b"b0")]
        except InvalidRequest as error:
            return str(error)

    assert told(pieces) == told([body])


def test_a_part_is_a_view_of_its_form():
    assert parts_of(form((N, b"12")), TYPE) == [Part(name="n", file_name=None, content_type="", start=50, end=52)]
