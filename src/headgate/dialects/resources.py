"""Things that providers keep, by their paths, ids and lists, in the shapes of OpenAI's and Anthropic's APIs.

Must not know whose they are. https://platform.openai.com/docs/api-reference, https://docs.claude.com/en/api (2026-11).
"""

import re
from collections.abc import Iterable, Mapping
from typing import Final, NamedTuple, cast
from urllib.parse import unquote

import msgspec
from msgspec import Raw, Struct

OPENAI: Final = "openai_chat"
ANTHROPIC: Final = "anthropic"
GEMINI: Final = "gemini"
Members = Mapping[str, object]


class Collection(Struct, frozen=True, kw_only=True):
    """One kind of thing, at one path below an API's base."""

    path: str
    kind: str
    is_free: bool = True
    """Whether making one costs nothing by itself."""
    dialect: str = OPENAI


class Place(NamedTuple):
    """What a path names: a collection, one thing of it, or something below that."""

    collection: Collection
    id: str = ""
    rest: str = ""
    """What follows the id, with its slash or, at Google, its colon; without an id, where Google makes one."""

    @property
    def path(self) -> str:
        """The path below the API's base."""
        return self.collection.path + (f"/{self.id}{self.rest}" if self.id else "")


COLLECTIONS: Final = {
    each.path: each
    for each in (
        Collection(path="/files", kind="file"),
        Collection(path="/files/upload", kind="file"),  # Together's door for new ones
        Collection(path="/batches", kind="batch"),
        Collection(path="/batch/jobs", kind="batch"),  # Mistral's
        Collection(path="/uploads", kind="upload"),
        Collection(path="/responses", kind="response", is_free=False),
        Collection(path="/conversations", kind="conversation"),
        Collection(path="/containers", kind="container"),
        Collection(path="/vector_stores", kind="vector_store"),
        Collection(path="/videos", kind="video", is_free=False),
        Collection(path="/fine_tuning/jobs", kind="fine_tuning_job", is_free=False),
        Collection(path="/evals", kind="eval"),
        Collection(path="/skills", kind="skill"),
        Collection(path="/assistants", kind="assistant"),
        Collection(path="/threads", kind="thread"),
        Collection(path="/chat/completions", kind="chat_completion", is_free=False),
        Collection(path="/messages/batches", kind="batch", dialect=ANTHROPIC),
        Collection(path="/interactions", kind="interaction", is_free=False, dialect=GEMINI),
        Collection(path="/v1beta/batches", kind="batch", dialect=GEMINI),  # others have `/batches` at the same place
    )
}
SHARED: Final = frozenset({"/files", "/skills"})
"""Paths that both APIs have: which is meant, the header fields tell."""

_NAMED: Final = "batches/"
_MADE_AT: Final = re.compile(r"/(?:v1|v1beta|v1alpha)(?P<where>/models/[A-Za-z0-9_.\-]{1,128}:batchGenerateContent)")
"""Where Google makes batches."""
_BATCHES: Final = re.compile(r"^(?:/v1|/v1alpha)?/batches/")
_ID: Final = re.compile(r"[A-Za-z0-9_.:\-]{1,256}")
_PREFIX: Final = re.compile(r"^(?:/(?:v1|v1beta|v1alpha|v2|api|openai))*(?=/)")
"""What services have before the paths that all of them share."""
_MADE: Final[dict[str, str]] = {
    "output_file_id": "batch_output",
    "error_file_id": "batch_output",
    "output_file": "batch_output",
    "error_file": "batch_output",
    "result_files": "file",
    "file_id": "file",
}
"""Members of a thing that name further things, which came of it."""
_MAKING: Final = frozenset({"/remix"})
"""What makes another thing of one."""
_NAMING: Final = (
    "input_file_id",
    "input_files",
    "file_id",
    "file_ids",
    "training_file",
    "validation_file",
    "previous_response_id",
    "conversation",
    "vector_store_ids",
    "assistant_id",
    "thread_id",
)
"""Members of a request that name things."""
_ENCODE: Final = msgspec.json.Encoder().encode
_OBJECT: Final = msgspec.json.Decoder(dict[str, Raw])
_ITEMS: Final = msgspec.json.Decoder(list[Raw])


class _Item(Struct):
    id: str = ""


_ITEM: Final = msgspec.json.Decoder(_Item)


def place_of(path: str, *, is_googles: bool = False) -> Place | None:
    """What a path below a provider's base names, whatever stands before it; None: nothing that is kept. Its
    segments may be escaped. Raises `ValueError` for one that cannot be an id or a name. `is_googles`: where Google and
    others have the same path, Google's thing is meant."""
    path = "/" + path.strip("/")
    if is_googles:
        path = _BATCHES.sub("/v1beta/batches/", path)
    if match := _MADE_AT.fullmatch(path):
        return Place(COLLECTIONS["/v1beta/batches"], rest=match["where"])
    path = path if path.startswith("/v1beta/batches/") else _PREFIX.sub("", path, count=1)
    parts = path[1:].split("/")
    for length in (2, 1):
        collection = COLLECTIONS.get("/" + "/".join(parts[:length]))
        if collection is None:
            continue
        below = [unquote(part) for part in parts[length:]]
        if not all(_ID.fullmatch(part) and set(part) != {"."} for part in below):
            raise ValueError(path)
        id, rest = "".join(below[:1]), "".join(f"/{part}" for part in below[1:])
        if collection.dialect == GEMINI and ":" in id:
            id, _, verb = id.partition(":")
            rest = f":{verb}{rest}"
        return Place(collection, id, rest)
    return None


def named_in(body: bytes) -> tuple[str, ...]:
    """The ids of other things that the body of a request names at its top; none if it is no JSON object."""
    members = members_of(body)
    named: list[str] = []
    for name in _NAMING:
        value = members.get(name)
        if isinstance(value, dict):
            value = cast("dict[str, object]", value).get("id")
        values = cast("list[object]", value) if isinstance(value, list) else [value]
        named += [each for each in values if isinstance(each, str) and each]
    return tuple(dict.fromkeys(named))


def made_by(place: Place, method: str, answer: Members) -> dict[str, str]:
    """The ids that an answer tells of, each with its kind: the thing itself if it was made just now, and what came of
    it."""
    made: dict[str, str] = {}
    answer = _unwrapped(answer)
    id = id_of(answer)
    if method == "POST" and (not place.id or place.rest in _MAKING) and id:
        made[id] = place.collection.kind
    file = answer.get("file")
    if isinstance(file, dict):  # an upload that has been completed
        answer = {"file_id": cast("dict[str, object]", file).get("id"), **answer}
    for name, kind in _MADE.items():
        value = answer.get(name)
        values = cast("list[object]", value) if isinstance(value, list) else [value]
        made.update((each, kind) for each in values if isinstance(each, str) and each)
    return made


def id_of(answer: Members) -> str:
    """The id of what an answer tells of; empty: none. Google has names, with the collection's before them."""
    answer = _unwrapped(answer)
    id, name = answer.get("id"), answer.get("name")
    if not isinstance(id, str) and isinstance(name, str) and name.startswith(_NAMED):
        id = name.removeprefix(_NAMED)
    return id if isinstance(id, str) else ""


def _unwrapped(answer: Members) -> Members:
    """Together tells of a batch that it has just made as a `job`, beside its warnings."""
    job = answer.get("job")
    return cast("Members", job) if isinstance(job, dict) else answer


def members_of(body: bytes) -> Members:
    """The members of a JSON object; none if it is no such thing."""
    try:
        decoded: object = msgspec.json.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return {}
    return cast("dict[str, object]", decoded) if isinstance(decoded, dict) else {}


class Page(NamedTuple):
    """A page of a provider's list."""

    members: dict[str, Raw]
    items: list[tuple[str, Raw]]
    """Each with its id."""
    has_more: bool


def read_page(body: bytes) -> Page:
    """Reads a list. Raises `ValueError` if it is none."""
    try:
        members = _OBJECT.decode(body)
        items = [(_ITEM.decode(raw).id, raw) for raw in _ITEMS.decode(members["data"])]
    except (msgspec.DecodeError, UnicodeDecodeError, KeyError) as error:
        raise ValueError(str(error)) from None
    return Page(members, items, bytes(members.get("has_more", b"")) == b"true")


def render_page(page: Page, items: list[tuple[str, Raw]], *, has_more: bool) -> bytes:
    """The same list with other items."""
    ends = {"first_id": items[0][0] if items else None, "last_id": items[-1][0] if items else None}
    members: dict[str, object] = {**page.members, "data": [raw for _, raw in items], "has_more": has_more}
    members |= {name: ends[name] for name in ends if name in members or items}
    return _ENCODE(members)


def cursor_of(dialect: str) -> str:
    """The query parameter that says after which thing a page begins."""
    return "after_id" if dialect == ANTHROPIC else "after"


def joined(query: Iterable[tuple[str, str]], **changes: str) -> list[tuple[str, str]]:
    """A query with some parameters set anew."""
    return [(name, value) for name, value in query if name not in changes] + list(changes.items())
