"""Every ability on every surface: a target that cannot do what a call asks is not asked, and where none can, the caller
is told what is missing and who has it.
"""

import json
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any

import httpx2
import pytest

from headgate.app import wiring
from headgate.app.config import build
from headgate.app.core import open_core
from headgate.app.inprocess import AsyncTransport
from headgate.core.needs import Ability
from headgate.providers.models import Facts, facts_of, packaged_catalogue
from headgate.routing.abilities import WORDS
from headgate.transport.fake import FakeUpstream
from tests.engine.harness import Anyone, call
from tests.unit.dialects.test_needs import CASES, gemini

pytestmark = pytest.mark.anyio
SERVICE = "openrouter"
ABILITIES: tuple[Ability, ...] = ("tools", "json_schema", "image", "pdf", "audio")


def known() -> dict[str, Facts]:
    """What is known of the models at a service that has those of many makers."""
    catalogue = packaged_catalogue()
    offers = catalogue.offers(SERVICE)
    return {offer.upstream: facts_of(catalogue.models[offer.model], offer) for offer in offers}


def targets(ability: Ability) -> tuple[list[str], list[str]]:
    """Two models that can, whatever else is asked, and two that cannot do this one thing or more."""
    facts = known()
    able = [name for name, each in facts.items() if not each.cannot & set(ABILITIES)]
    unable = [name for name, each in facts.items() if ability in each.cannot]
    return sorted(able)[:2], sorted(unable)[:2]


def calls() -> Iterator[tuple[str, Ability, dict[str, Any]]]:
    """For each surface and ability the first call that asks for that alone."""
    seen: set[tuple[str, str]] = set()
    for dialect, body, abilities in CASES:
        if abilities in ABILITIES and (dialect, abilities) not in seen:
            seen.add((dialect, abilities))
            yield dialect, abilities, body


INLINE = {"inlineData": {"mimeType": "application/pdf", "data": "JVBERi0xLjQK"}}
"""A document that every API can be told: others do not follow Google's own addresses."""
EVERY = [
    (dialect, ability, gemini(INLINE) if (dialect, ability) == ("gemini", "pdf") else body)
    for dialect, ability, body in calls()
]


@asynccontextmanager
async def gateway(folder: Path, routes: dict[str, list[str]]) -> AsyncIterator[tuple[httpx2.AsyncClient, FakeUpstream]]:
    """A gateway before that service."""
    async with AsyncExitStack() as stack:
        upstream = await stack.enter_async_context(FakeUpstream())
        tree = {
            "data_dir": str(folder),
            "providers": {SERVICE: {"base_url": upstream.url, "api_key": "none"}},
            "routes": {name: {"targets": [f"{SERVICE}/{each}" for each in models]} for name, models in routes.items()},
        }
        core = await stack.enter_async_context(open_core(build(tree)))
        engine, spawn = await stack.enter_async_context(wiring.open_engine(core))
        transport = AsyncTransport(wiring.client_listener(core, engine, Anyone()), spawn)
        client = httpx2.AsyncClient(
            transport=transport, base_url="http://gateway", headers={"authorization": "Bearer k"}
        )
        yield await stack.enter_async_context(client), upstream


async def ask(client: httpx2.AsyncClient, dialect: str, model: str, body: dict[str, Any]) -> httpx2.Response:
    path, _ = call(dialect, model, is_stream=False)
    return await client.post(path, json={**body, "model": model} if "model" in body else body)


def test_each_surface_asks_for_each():
    asked = {(dialect, ability) for dialect, ability, _ in EVERY}
    for dialect in ("openai_chat", "openai_responses", "anthropic", "gemini"):
        for ability in ABILITIES:
            assert (dialect, ability) in asked or (ability == "audio" and dialect in ("anthropic", "openai_responses"))


@pytest.mark.parametrize(("dialect", "ability", "body"), EVERY, ids=[f"{one}-{two}" for one, two, _ in EVERY])
async def test_who_cannot_is_not_asked(tmp_path: Path, dialect: str, ability: Ability, body: dict[str, Any]):
    able, unable = targets(ability)
    assert len(able) == len(unable) == 2
    routes = {"none": unable, "some": [*unable, *able], "all": able}
    async with gateway(tmp_path, routes) as (client, upstream):
        refused = await ask(client, dialect, "none", body)
        assert upstream.log == []
        some = await ask(client, dialect, "some", body)
        every = await ask(client, dialect, "all", body)
        asked = [json.loads(attempt.body)["model"] for attempt in upstream.log]

    assert refused.status_code == 400
    assert WORDS[ability] in refused.text
    assert "these can: " in refused.text
    assert (some.status_code, every.status_code) == (200, 200), (some.text, every.text)
    assert asked == [able[0], able[0]]
