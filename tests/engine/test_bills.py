"""One hundred usages over the wires of seventeen providers cost what they come to by hand, to the nano-dollar."""

import json
import tomllib
from collections.abc import Mapping
from decimal import ROUND_HALF_EVEN, Decimal
from pathlib import Path
from typing import Any

import pytest

from headgate.core.usage import Usage
from headgate.engine.batch_bills import ResultLines
from headgate.ledger.meter import cost
from headgate.ledger.prices import PriceBook
from headgate.providers.spec import packaged
from headgate.transport.fake import FakeUpstream
from tests.engine.harness import Bench, bench, call
from tests.engine.sending import Sending, form_of, json_of, looped

TABLE = tomllib.loads((Path(__file__).parent / "bills.toml").read_text(), parse_float=Decimal)
Bill = Mapping[str, Any]
BILLS: list[Bill] = TABLE["bill"]
BATCHED = [bill for bill in BILLS if "batch-" in bill["of"]]
CALLED = [bill for bill in BILLS if "batch-" not in bill["of"]]
RATES = (
    "input",
    "output",
    "cached",
    "write",
    "write_1h",
    "reasoning",
    "audio_input",
    "audio_output",
    "image_input",
    "image_output",
    "cached_audio",
    "cached_image",
)
"""In the order of the price book's data."""
CLIENTS = {"bedrock_converse": "openai_chat"}
"""The dialect of the client, where it cannot be the upstream's."""


def millionths(amount: Decimal | int | None, of: int) -> int | None:
    return None if amount is None else int(Decimal(amount) * of)


def rates(told: Mapping[str, Any]) -> list[int | None]:
    return [millionths(told.get(name), 1_000_000) for name in RATES]


def price(told: Mapping[str, Any]) -> list[Any]:
    """A price of the table as the book's data has it: tokens in pico-USD, all else in nano-USD."""
    return [
        rates(told),
        [[tier["tokens"], rates(tier)] for tier in told.get("above", ())],
        millionths(told.get("request"), 1000),
        millionths(told.get("web_search"), 1000),
        {tier: [rates(told[tier])] for tier in ("batch", "priority") if tier in told},
        [None, None, None, millionths(told["search"], 1000)] if "search" in told else None,
    ]


def book() -> bytes:
    """The table's prices as a book."""
    providers = {
        provider: {
            "fallback": [],
            "models": [[name, name, None, ["=", name.lower()], [[price(told)]]] for name, told in models.items()],
        }
        for provider, models in TABLE["prices"].items()
    }
    return json.dumps({"version": "by hand", "license": "", "providers": providers}).encode()


def answer(kind: str, bill: Bill) -> dict[str, Any]:
    """A small answer that tells the usage of a bill."""
    usage, model = json.loads(bill["usage"]), bill["of"].split()[2]
    searches, tier = bill.get("searches", 0), bill.get("tier", "default")
    text = {"type": "text", "text": "pong"}
    match kind:
        case "openai_chat":
            choice = {"index": 0, "message": {"role": "assistant", "content": "pong"}, "finish_reason": "stop"}
            head = {"id": "c", "object": "chat.completion", "created": 1, "model": model, "service_tier": tier}
            return {**head, "choices": [choice], "usage": usage}
        case "openai_responses":
            searched = [{"type": "web_search_call", "id": f"ws_{n}", "status": "completed"} for n in range(searches)]
            said = {"type": "output_text", "text": "pong", "annotations": []}
            message = {"type": "message", "id": "m", "role": "assistant", "status": "completed", "content": [said]}
            head = {"id": "r", "object": "response", "status": "completed", "model": model, "service_tier": tier}
            return {**head, "output": [*searched, message], "usage": usage}
        case "anthropic":
            head = {"id": "m", "type": "message", "role": "assistant", "model": model, "content": [text]}
            return {**head, "stop_reason": "end_turn", "stop_sequence": None, "usage": usage}
        case "gemini":
            candidate = {"content": {"role": "model", "parts": [{"text": "pong"}]}, "finishReason": "STOP", "index": 0}
            if searches:
                candidate["groundingMetadata"] = {"webSearchQueries": [f"q{n}" for n in range(searches)]}
            return {"candidates": [candidate], "usageMetadata": usage, "modelVersion": model}
        case "cohere":
            message = {"role": "assistant", "content": [text]}
            return {"id": "c", "finish_reason": "COMPLETE", "message": message, "usage": usage}
        case "bedrock_converse":
            message = {"role": "assistant", "content": [{"text": "pong"}]}
            return {"output": {"message": message}, "stopReason": "end_turn", "usage": usage}
        case "embeddings":
            vector = {"object": "embedding", "index": 0, "embedding": [0.5]}
            return {"object": "list", "data": [vector], "model": model, "usage": usage}
        case "embed":
            return {"id": "e", "embeddings": {"float": [[0.5]]}, "texts": ["a"], "meta": {"billed_units": usage}}
        case "rerank":
            ranked = {"index": 0, "relevance_score": 0.9}
            return {"id": "r", "results": [ranked], "meta": {"billed_units": usage}}
        case "transcription":
            return {"text": "pong", "usage": usage}
        case _:
            return {"created": 1, "data": [{"b64_json": "AAAA"}], "usage": usage}


def sending(kind: str, model: str) -> Sending:
    """How a client asks for it."""
    match kind:
        case "embeddings":
            return json_of("/v1/embeddings", model=model, input="a")
        case "embed":
            asked = {"texts": ["a"], "input_type": "search_query", "embedding_types": ["float"]}
            return json_of("/v2/embed", model=model, **asked)
        case "rerank":
            return json_of("/v2/rerank", model=model, query="q", documents=["a"])
        case "transcription":
            return form_of("/v1/audio/transcriptions", {"file": b"RIFF"}, model=model)
        case "image":
            return json_of("/v1/images/generations", model=model, prompt="a fox")
        case _:
            path, body = call(CLIENTS.get(kind, kind), model, is_stream=False)
            return path, {"json": body}


def providers(url: str) -> dict[str, Any]:
    """Every provider of the table at one upstream, once for each of its dialects; prices are the provider's."""
    doors = {tuple(bill["of"].split()[:2]) for bill in CALLED}
    made: dict[str, Any] = {}
    for provider, kind in sorted(doors):
        spoken = {door.dialect for door in packaged()[provider].speaks}
        dialect = kind if kind in spoken else packaged()[provider].speaks[0].dialect
        made[f"{provider}-{kind.replace('_', '-')}"] = {
            "like": provider,
            "base_url": url,
            "speaks": [dialect],
            "api_key": "env:UPSTREAM_KEY",
        }
    return made


async def billed(on: Bench, upstream: FakeUpstream, bill: Bill) -> tuple[int, bool]:
    """What a call costs by its record, and whether that is all."""
    provider, kind, model = bill["of"].split()
    upstream.reply(json.dumps(answer(kind, bill)).encode(), times=1)
    path, sent = sending(kind, f"{provider}-{kind.replace('_', '-')}/{model}")
    response = await on.client.post(path, **sent)
    assert response.status_code == 200, (bill["of"], response.text)
    record = await on.record(response)
    return record.cost_nano_usd, record.is_priced


def by_hand(sum_of_terms: str) -> int:
    """A sum in nano-USD, its terms rounded each."""
    nano = 0
    for term in sum_of_terms.split(" + "):
        quantity, amount = map(Decimal, term.split(" * "))
        nano += int((quantity * amount * 1000).to_integral_value(ROUND_HALF_EVEN))
    return nano


def test_the_table_is_long_and_wide_enough():
    told = " ".join(bill["usage"] for bill in BILLS)

    assert len(BILLS) == 100
    assert len({bill["of"].split()[0] for bill in BILLS}) == 17
    assert {bill.get("tier") for bill in BILLS} == {None, "priority", "batch"}
    for word in ("cache_read", "cached_tokens", "ephemeral_1h", "reasoning_tokens", "audio_tokens", "AUDIO", "IMAGE"):
        assert told.count(word) >= 2, word


@pytest.mark.parametrize("bill", BILLS, ids=lambda bill: bill["of"])
def test_a_sum_is_what_its_terms_come_to(bill: Bill):
    assert by_hand(bill["sum"]) == bill["nano_usd"] == bill.get("told_nano_usd", bill["nano_usd"])


@looped
async def test_every_call_costs_its_sum(tmp_path: Path):
    async with FakeUpstream() as upstream, bench(tmp_path, providers=providers(upstream.url)) as on:
        on.core.renew_prices(book())
        found = [(bill["of"], bill["usage"], *await billed(on, upstream, bill)) for bill in CALLED]

    assert found == [(bill["of"], bill["usage"], bill["nano_usd"], True) for bill in CALLED]


@pytest.mark.parametrize("bill", BATCHED, ids=lambda bill: bill["of"])
def test_every_line_of_a_batch_costs_its_sum(bill: Bill):
    provider, kind, model = bill["of"].split()
    body = answer({"batch-response": "openai_responses", "batch-message": "anthropic"}.get(kind, "embeddings"), bill)
    told = {"result": {"type": "succeeded", "message": body}}
    lines = ResultLines()
    lines.feed(
        json.dumps(told if provider == "anthropic" else {"response": {"status_code": 200, "body": body}}).encode()
    )
    lines.feed(b"")
    prices = PriceBook()
    prices.renew(book())

    (line,) = lines.bill()
    price = prices.find(provider, model)
    assert price is not None
    made = cost(price, line.usage)
    assert (line.model, made.nano_usd, made.unpriced) == (model, bill["nano_usd"], ())


@looped
async def test_a_web_search_without_a_price_is_held_at_the_ceiling(tmp_path: Path):
    own = {"like": "openai", "api_key": "none", "prices": {"m": {"input": 1, "output": 2}}}
    async with bench(tmp_path, providers={"own": own}) as on:
        deployment = on.core.compiled.directory.providers["own"].deployment("m")
        usage = Usage(input_tokens=1000, output_tokens=1000, web_searches=3)

        assert on.core.metering.most(deployment, usage) == 1_000_000 + 2_000_000 + 3 * 35_000_000
