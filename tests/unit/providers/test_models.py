"""The catalogue of models: that its data is sound, and what follows from it."""

import gzip
import json
from importlib import resources

import pytest

from headgate.providers.models import ABILITIES, MODES, Catalogue, Facts, Model, Offer, facts_of, packaged_catalogue
from headgate.providers.spec import packaged

CATALOGUE = packaged_catalogue()
BYTES_MAX = 600_000


def test_it_is_large_and_small_enough():
    data = (resources.files("headgate.providers") / "catalogue.json").read_bytes()

    assert len(CATALOGUE.models) >= 14 * 171 // 2
    assert len({model.id.partition("/")[0] for model in CATALOGUE.models}) >= 14
    assert len(gzip.compress(data)) < BYTES_MAX


def test_there_are_enough_of_which_everything_is_known():
    known = [
        model
        for model in CATALOGUE.models
        if model.context_tokens and model.output_tokens and model.accepts and model.gives and model.can
    ]
    offers = [offer for service in CATALOGUE.services if service in packaged() for offer in CATALOGUE.offers(service)]

    assert len(known) >= 171 * 4
    assert len({model.id.partition("/")[0] for model in known}) >= 14
    assert len(offers) >= 14 * 171


def test_no_two_models_share_a_name():
    names = [model.id for model in CATALOGUE.models]
    names += [f"alias {alias}" for model in CATALOGUE.models for alias in model.aliases]

    assert len(names) == len(set(names))
    bare = {model.id.partition("/")[2] for model in CATALOGUE.models}
    assert [alias for model in CATALOGUE.models for alias in model.aliases if alias in bare] == []


def test_every_model_is_sound():
    for model in CATALOGUE.models:
        author, slash, name = model.id.partition("/")
        assert author, model
        assert slash, model
        assert name, model
        assert model.id == model.id.lower(), model
        assert model.context_tokens is None or model.context_tokens > 0, model
        assert model.output_tokens is None or model.output_tokens > 0, model
        assert set(model.accepts + model.gives) <= set(MODES), model
        assert set(model.can + model.cannot) <= set(ABILITIES), model
        assert not set(model.can) & set(model.cannot), model
        assert CATALOGUE.source(model)


def test_every_offer_is_of_a_model_and_stands_once():
    for service in CATALOGUE.services:
        offers = CATALOGUE.offers(service)
        upstream = [offer.upstream for offer in offers]
        assert len(upstream) == len(set(upstream)), service
        for offer in offers:
            facts = facts_of(CATALOGUE.models[offer.model], offer)
            assert facts.context_tokens is None or facts.context_tokens > 0, offer
            assert not facts.can & facts.cannot, offer


def test_services_and_packaged_providers_are_told_apart(capsys: pytest.CaptureFixture[str]):
    """Services of the catalogue that no packaged provider stands for are known, but not offered."""
    offered = {name for spec in packaged().values() if CATALOGUE.offers(name := spec.name, spec.prices)}
    silent = sorted(set(packaged()) - offered - {"demo"})
    with capsys.disabled():
        print(f"\n{len(CATALOGUE.services)} services, {len(offered)} packaged; without models: {silent}")

    assert {"openai", "anthropic", "gemini"} <= offered
    assert CATALOGUE.offers("nobody", "") == ()


@pytest.mark.parametrize(
    ("name", "found"),
    [
        ("gpt-4o", ("openai/gpt-4o", "")),
        ("openai/gpt-4o", ("openai/gpt-4o", "")),
        ("GPT-4o-2024-08-06", ("openai/gpt-4o", "2024-08-06")),
        ("claude-haiku-4.5", ("anthropic/claude-haiku-4-5", "")),
        ("anthropic/claude-haiku-4.5", ("anthropic/claude-haiku-4-5", "")),
        ("claude-haiku-4-5-20251001", ("anthropic/claude-haiku-4-5", "2025-10-01")),
        ("claude-haiku-4-5@20251001", ("anthropic/claude-haiku-4-5", "2025-10-01")),
        ("llama-3.3-70b-versatile", ("meta-llama/llama-3.3-70b-instruct", "")),
        ("nothing-of-the-kind", None),
        ("nothing-2024-08-06", None),
    ],
)
def test_a_model_is_found_by_all_its_names(name: str, found: tuple[str, str] | None):
    known = CATALOGUE.find(name)
    assert (known and (known[0].id, known[1])) == found


@pytest.mark.parametrize(
    ("id", "services"),
    [
        ("openai/gpt-4o", {"openai", "azure", "openrouter"}),
        ("anthropic/claude-haiku-4-5", {"anthropic", "aws", "google-vertex", "openrouter"}),
        ("meta-llama/llama-3.3-70b-instruct", {"groq", "cerebras", "nvidia", "openrouter", "aws"}),
        ("google/gemini-2.5-pro", {"google", "google-vertex", "openrouter"}),
    ],
)
def test_one_model_is_one_entry_wherever_it_runs(id: str, services: set[str]):
    places = {
        service
        for service in CATALOGUE.services
        for offer in CATALOGUE.offers(service)
        if CATALOGUE.models[offer.model].id == id
    }
    assert services <= places


MODEL = Model("a/m", "M", context_tokens=100, output_tokens=10, accepts="ti", gives="t", can="TC", cannot="R", source=0)


@pytest.mark.parametrize(
    ("offer", "facts"),
    [
        (None,
         Facts(model="a/m", context_tokens=100, output_tokens=10, can=frozenset({"tools", "prompt_cache", "image"}),
               cannot=frozenset({"reasoning", "audio"}))),
        (Offer("m", 0),
         Facts(model="a/m", context_tokens=100, output_tokens=10, can=frozenset({"tools", "prompt_cache", "image"}),
               cannot=frozenset({"reasoning", "audio"}))),
        (Offer("m", 0, "", 50, 0, "R", "T", "tfa"),
         Facts(model="a/m", context_tokens=50, can=frozenset({"prompt_cache", "reasoning", "audio", "pdf"}),
               cannot=frozenset({"tools", "image"}))),
        (Offer("m", 0, "", None, 5, "", "", "t"),
         Facts(model="a/m", context_tokens=100, output_tokens=5, can=frozenset({"tools", "prompt_cache"}),
               cannot=frozenset({"reasoning", "audio", "image", "pdf"}))),
    ],
)  # fmt: skip
def test_a_service_has_its_own_word(offer: Offer | None, facts: Facts):
    assert facts_of(MODEL, offer) == facts


def test_nothing_follows_from_what_is_not_known():
    assert facts_of(Model("a/m", "M")) == Facts(model="a/m")


def test_other_data_of_the_form_can_be_read():
    data = {
        "sources": ["me 2026-01-01"],
        "names": {"mine-too": "mine"},
        "models": [["a/m", "M", ["other"]], ["b/m-2", "M2"]],
        "offers": {"mine": [["m-there", 0], ["m2-there", 1, "2026-01-01"]], "none": []},
    }

    catalogue = Catalogue(json.dumps(data).encode())

    assert [offer.upstream for offer in catalogue.offers("nobody", "mine-too")] == ["m-there", "m2-there"]
    assert catalogue.offers("none") == ()
    assert catalogue.offers("mine") is catalogue.offers("mine")
    assert [catalogue.find(name) for name in ("a/other", "b/other")] == [(catalogue.models[0], ""), None]
