"""Things that providers keep, over real recorded exchanges: each path is found, each id and each list is read."""

import json
import re
from collections.abc import Callable
from functools import cache
from typing import Any, NamedTuple
from urllib.parse import urlsplit

import pytest

from headgate.dialects.resources import Members, Place, made_by, members_of, named_in, place_of, read_page, render_page
from headgate.engine.batch_bills import ResultLines
from headgate.server.paths import Endpoint, find
from tests.conformance.traffic import FOLDER, families, records

_SPEAKERS = re.compile(
    r"//(?:api\.(?:openai|anthropic|mistral|x)\.\w+|[\w-]+\.openai\.azure\.com)(?::443)?(?P<path>/.*)"
)
"""Hosts that keep things in these shapes."""
_TALKS = frozenset({"/responses", "/responses/input_tokens", "/responses/compact"})
"""Beside the things: what makes them by a talk, and what is said of one."""
_RESULTS = frozenset({"/content", "/results"})
_IDS = re.compile(r'"(?:input_file_id|training_file|validation_file|previous_response_id)": "([^"]+)"')


class Call(NamedTuple):
    """One recorded exchange."""

    id: str
    method: str
    path: str
    place: Place
    request: bytes
    status: int
    answer: bytes
    is_json: bool


def place_in(record: dict[str, Any]) -> Place | None:
    """What a recorded call is about; None: nothing that is kept, or something made by a talk."""
    url = urlsplit(record["url"])
    match = _SPEAKERS.match(f"//{url.netloc}{url.path}")
    place = place_of(match["path"]) if match else None
    return None if place is None or place.path in _TALKS or place.collection.path == "/chat/completions" else place


@cache
def recorded() -> tuple[Call, ...]:
    """Every call about a thing that is kept."""
    found = (call_of(record) for family in families() for record in records(family))
    return tuple(call for call in found if call is not None)


def call_of(record: dict[str, Any]) -> Call | None:
    """A call about a thing that is kept; None: it is about none."""
    place = place_in(record)
    if place is None:
        return None
    told = record.get("response_body")
    answer = told if isinstance(told, str) else json.dumps(told)
    asked = record.get("request_body")
    path = urlsplit(record["url"]).path
    request = json.dumps(asked).encode() if isinstance(asked, dict) else b""
    is_json = record.get("response_encoding") != "base64" and answer[:1] == "{"
    status = record.get("status") or 200
    return Call(record["id"], record["method"], path, place, request, status, answer.encode(), is_json)


def clients_find_it(call: Call) -> str | None:
    """The path is one of ours, and means the same thing to us."""
    found = find(call.method, call.path)
    is_it = isinstance(found, Endpoint) and found.action == "keep" and place_of(found.argument) == call.place
    return None if is_it else f"means {found}"


def what_is_made_is_known(call: Call) -> str | None:
    """The answer to a call that made a thing tells its id, and the call what it was made of."""
    if call.status >= 400 or not call.is_json:
        return None
    answer = members_of(call.answer)
    made = made_by(call.place, call.method, answer)
    is_new = call.method == "POST" and not call.place.id
    if is_new and made.get(str(answer.get("id"))) != call.place.collection.kind:
        return f"made {made} of {call.answer!r:.200}"
    for name in ("output_file_id", "error_file_id"):
        if answer.get(name) and answer[name] not in made:
            return f"{name} is not known"
    named = set(named_in(call.request))
    missing = {id for id in _IDS.findall(call.request.decode()) if id not in named}
    return f"named {named}, without {missing}" if missing else None


def lists_come_back(call: Call) -> str | None:
    """A page is read item by item, and told again as it was."""
    told = members_of(call.answer) if call.method == "GET" and call.status < 400 and call.is_json else {}
    items = told.get("data")
    if not isinstance(items, list):
        return None
    page = read_page(call.answer)
    back = json.loads(render_page(page, page.items, has_more=page.has_more))
    wanted = {**told, "has_more": told.get("has_more", False)}
    if [id for id, _ in page.items] != [item.get("id", "") for item in items]:
        return "the ids are others"
    ends = {"first_id", "last_id"}
    differing = {name for name in back.keys() | wanted.keys() if back.get(name) != wanted.get(name)}
    return f"differs in {differing}" if differing - ends else None


def results_are_billed(call: Call) -> str | None:
    """The usage in a file of a batch's results, line by line, is what is billed."""
    lines = [members_of(line) for line in call.answer.splitlines()] if call.place.rest in _RESULTS else []
    answers = [found for line in lines if (found := _answer_in(line))]
    reader = ResultLines()
    for at in range(0, len(call.answer), 1000):
        reader.feed(call.answer[at : at + 1000])
    reader.feed(b"")
    told = [(answer["model"], _spent(answer["usage"])) for answer in answers]
    ours = [(line.model, line.usage.input_tokens + line.usage.output_tokens) for line in reader.bill()]
    return None if ours == told or call.place.rest not in _RESULTS else f"billed {ours} of {told}"


def _answer_in(line: Members) -> dict[str, Any] | None:
    """The answer of one line of results, if it tells usage: OpenAI's, or Anthropic's."""
    found: Any = line
    for name in ("response", "body") if "response" in line else ("result", "message"):
        found = found.get(name) if isinstance(found, dict) else None
    return found if isinstance(found, dict) and "usage" in found else None


def _spent(usage: dict[str, Any]) -> int:
    names = ("input_tokens", "cache_read_input_tokens", "cache_creation_input_tokens", "output_tokens")
    return usage.get("total_tokens") or sum(usage.get(name) or 0 for name in names)


CHECKS = (clients_find_it, what_is_made_is_known, lists_come_back, results_are_billed)


@pytest.mark.skipif(not families(), reason=f"no recorded traffic at {FOLDER}: set HEADGATE_TRAFFIC to run over one")
def test_every_exchange(record_property: Callable[[str, object], None]):
    faults: list[str] = []
    for call in recorded():
        for check in CHECKS:
            if fault := check(call):
                faults.append(f"{call.id} {call.method} {call.path} {call.status} {check.__name__}: {fault:.300}")
    record_property("conformance", ["kept things", len(recorded()), 0])

    assert len({call.place.collection.kind for call in recorded()}) > 8
    assert not faults, f"{len(faults)} faults in {len(recorded())}:\n" + "\n".join(faults[:25])
