"""Forms that pass while they come: fields are read and changed, files go by, whatever the network cuts."""

import asyncio
from collections.abc import Iterable

import pytest

from headgate.core.problems import InvalidRequest
from headgate.dialects.multipart import Begun, Content, Ended
from headgate.engine.forms import FIELDS_BYTES_MAX, Form

TYPE = "multipart/form-data; boundary=b"


class Pieces:
    """A body in pieces."""

    def __init__(self, pieces: Iterable[bytes], length: int = 0) -> None:
        self._pieces = iter(pieces)
        self.length = length

    async def read(self) -> bytes:
        return next(self._pieces, b"")


def part(name: str, value: bytes, file: str = "") -> bytes:
    more = f'; filename="{file}"' if file else ""
    return f'--b\r\ncontent-disposition: form-data; name="{name}"{more}\r\n\r\n'.encode() + value + b"\r\n"


def form_of(*parts: bytes) -> bytes:
    return b"".join(parts) + b"--b--\r\n"


FILE = part("file", b"line\n" * 20, "a.jsonl")
WHOLE = form_of(part("provider", b"one"), part("purpose", b"batch"), part("model", b"m"), FILE, part("late", b"x"))


def cut(body: bytes, size: int) -> list[bytes]:
    return [body[at : at + size] for at in range(0, len(body), size)]


async def opened(body: bytes, size: int = 1 << 20, length: int | None = None) -> Form:
    form = Form(Pieces(cut(body, size), len(body) if length is None else length), TYPE)
    await form.open()
    return form


async def gone_on(form: Form) -> bytes:
    return b"".join([piece async for piece in form.passing()])


@pytest.mark.parametrize("size", [1, 2, 3, 7, 64, 10_000])
def test_a_form_goes_on_as_it_came_however_it_is_cut(size: int):
    async def scene() -> None:
        form = await opened(WHOLE, size)

        assert (form.fields, form.file) == ({"provider": "one", "purpose": "batch", "model": "m"}, "file")
        assert (form.length, await gone_on(form)) == (len(WHOLE), WHOLE)

    asyncio.run(scene())


@pytest.mark.parametrize("size", [1, 5, 10_000])
@pytest.mark.parametrize("dropped", ["provider", "purpose", "model"])
def test_a_field_is_taken_out(dropped: str, size: int):
    async def scene() -> None:
        form = await opened(WHOLE, size)
        form.drop(dropped)
        form.drop("nothing")
        rest = [(name, value) for name, value in (("provider", b"one"), ("purpose", b"batch"), ("model", b"m"))]
        wanted = form_of(*(part(name, value) for name, value in rest if name != dropped), FILE, part("late", b"x"))

        assert (form.length, await gone_on(form)) == (len(wanted), wanted)

    asyncio.run(scene())


def test_fields_are_changed_and_taken_out_together():
    async def scene() -> None:
        form = await opened(WHOLE)
        form.put("model", "another")
        form.drop("provider")
        wanted = form_of(part("purpose", b"batch"), part("model", b"another"), FILE, part("late", b"x"))

        assert (form.length, await gone_on(form)) == (len(wanted), wanted)

    asyncio.run(scene())


def test_a_length_that_nobody_knows_stays_unknown():
    async def scene() -> None:
        form = await opened(WHOLE, length=0)
        form.drop("model")

        assert form.length == 0

    asyncio.run(scene())


@pytest.mark.parametrize("size", [1, 10_000])
def test_it_is_read_from_its_beginning(size: int):
    async def scene() -> None:
        form = await opened(WHOLE, size)
        pieces = [piece async for piece in form.parts()]

        names = [piece.name for piece in pieces if isinstance(piece, Begun)]
        text = b"".join(bytes(piece.data) for piece in pieces if isinstance(piece, Content))
        assert names == ["provider", "purpose", "model", "file", "late"]
        assert text == b"onebatchm" + b"line\n" * 20 + b"x"
        assert sum(isinstance(piece, Ended) for piece in pieces) == 5

    asyncio.run(scene())


def test_a_form_without_a_file_is_read_to_its_end():
    async def scene() -> None:
        whole = form_of(part("purpose", b"batch"))
        form = await opened(whole, 3)

        assert (form.fields, form.file, await gone_on(form)) == ({"purpose": "batch"}, "", whole)

    asyncio.run(scene())


@pytest.mark.parametrize(
    ("body", "told"),
    [
        (form_of(part("purpose", b"a"), part("purpose", b"b"), FILE), "'purpose' is there twice"),
        (form_of(part("purpose", b"\xff"), FILE), "'purpose' is not UTF-8"),
        (form_of(part("file", b"", "a.jsonl")), "'file' is an empty file"),
        (part("purpose", b"a"), "before its closing boundary"),
        (b"", "before its closing boundary"),
        (form_of(part("big", b"x" * (FIELDS_BYTES_MAX + 2000)), FILE), "before its first file"),
        (b"x" * 10_000, "does not begin with the boundary"),
    ],
)
def test_what_cannot_be_read_is_refused_before_any_of_it_goes_on(body: bytes, told: str):
    with pytest.raises(InvalidRequest, match=told):
        asyncio.run(opened(body, 1000))


@pytest.mark.parametrize("rest", [b"", b"--b\r\nno header\r\n\r\n"])
def test_what_turns_out_to_be_none_is_refused_in_the_midst(rest: bytes):
    async def scene(reads: bool) -> None:
        form = await opened(FILE + rest, 50)
        if reads:
            await gone_on(form)
        else:
            async for _ in form.parts():
                pass

    for reads in (True, False):
        with pytest.raises(InvalidRequest, match=r"form"):
            asyncio.run(scene(reads))
