"""What lists say of models."""

import json
from typing import Any

import pytest

from headgate.app.compiled import Compiled, compile_setup
from headgate.app.config import build
from headgate.app.config_prices import price_book

PRICES = {"own": {"input": 1, "output": "2.5", "tiers": [{"above": 1000, "input": 3, "output": 4}]}}


def compiled() -> Compiled:
    setup = build(
        {
            "providers": {
                "openai": {"api_key": "env:KEY"},
                "lab": {
                    "like": "openai",
                    "base_url": "http://lab",
                    "api_key": "none",
                    "models": ["gpt-4o", "own"],
                    "prices": PRICES,
                },
            },
            "routes": {"smart": {"targets": ["openai/gpt-4o", "lab/own"]}},
        },
        environ={"KEY": "k", "HOME": "/nowhere"},
    )
    return compile_setup(setup, price_book(setup.config.providers), now_s=1_700_000_000)


COMPILED = compiled()


def rows(shape: str = "openai", allowed: tuple[str, ...] | None = None) -> dict[str, dict[str, Any]]:
    page = json.loads(COMPILED.listing.page(shape, allowed, {}))
    entries = page.get("data") or page.get("models")
    return {entry.get("id") or entry["name"]: entry for entry in entries}


def test_a_model_is_listed_once_with_all_that_is_known():
    entry = rows()["openai/gpt-4o"]

    assert entry["providers"] == ["openai", "lab"]
    assert [(each["provider"], each["model"]) for each in entry["endpoints"]] == [
        ("openai", "gpt-4o"),
        ("lab", "gpt-4o"),
    ]
    assert entry["owned_by"] == "openai"
    assert entry["context_length"] == 128_000
    assert entry["architecture"] == {
        "modality": "text+image+file->text",
        "input_modalities": ["text", "image", "file"],
        "output_modalities": ["text"],
    }
    assert entry["top_provider"]["max_completion_tokens"] == 16_384
    assert {"tools", "json_schema", "image", "pdf"} <= set(entry["capabilities"])
    assert {"tools", "tool_choice", "structured_outputs"} <= set(entry["supported_parameters"])
    assert (entry["pricing"]["prompt"], entry["pricing"]["completion"]) == ("0.0000025", "0.00001")
    assert entry["pricing"]["service_tiers"]["batch"]["prompt"] == "0.00000125"
    assert entry["released"] == "2024-05-13"
    assert entry["created"] == 1_715_558_400
    assert entry["expiration_date"] is None


def test_a_model_that_the_catalogue_lacks_is_listed_by_its_provider():
    entry = rows()["lab/own"]

    assert (entry["owned_by"], entry["name"], entry["created"]) == ("lab", "own", 1_700_000_000)
    assert entry["context_length"] is None
    assert entry["pricing"] == {
        "prompt": "0.000001",
        "completion": "0.0000025",
        "overrides": [{"min_prompt_tokens": 1000, "prompt": "0.000003", "completion": "0.000004"}],
    }


def test_a_route_is_listed_by_its_name():
    entry = rows()["smart"]

    assert (entry["providers"], entry["context_length"]) == (["openai", "lab"], 128_000)


def test_what_is_not_priced_is_null_and_not_zero():
    assert rows()["demo/echo"]["pricing"] == {
        "prompt": "0.000001",
        "completion": "0.000002",
        "input_cache_read": "0.0000001",
    }
    (lab,) = [each for each in rows()["openai/gpt-4o"]["endpoints"] if each["provider"] == "lab"]
    assert lab["pricing"] is not None


def test_a_key_sees_its_models_under_the_names_it_may_use():
    allowed = ("smart", "gpt-4o", "lab/own", "gpt-4o-2024-08-06", "no-such-model", "openai/not-listed")

    shown = rows(allowed=allowed)

    assert list(shown) == ["smart", "gpt-4o", "lab/own", "gpt-4o-2024-08-06", "openai/not-listed"]
    assert shown["gpt-4o-2024-08-06"]["providers"] == ["openai"]
    assert shown["gpt-4o-2024-08-06"]["canonical_slug"] == "openai/gpt-4o"


@pytest.mark.parametrize(
    ("shape", "id", "members"),
    [
        (
            "anthropic",
            "openai/gpt-4o",
            {"created_at": "2024-05-13T00:00:00Z", "max_input_tokens": 128_000, "max_tokens": 16_384},
        ),
        ("anthropic", "lab/own", {"created_at": "1970-01-01T00:00:00Z"}),
        ("gemini", "models/openai/gpt-4o", {"inputTokenLimit": 128_000, "outputTokenLimit": 16_384}),
    ],
)
def test_the_other_shapes_tell_limits(shape: str, id: str, members: dict[str, object]):
    entry = rows(shape)[id]
    assert {name: entry.get(name) for name in members} == members


@pytest.mark.parametrize(
    ("allowed", "name", "is_there"),
    [
        (None, "gpt-4o", True),
        (None, "models/openai/gpt-4o", True),
        (None, "no-such-model", False),
        (("gpt-4o",), "gpt-4o", True),
        (("gpt-4o",), "openai/gpt-4o", False),
    ],
)
def test_one_model_is_shown_by_any_of_its_names(allowed: tuple[str, ...] | None, name: str, is_there: bool):
    shown = COMPILED.listing.one("openai", allowed, name)
    assert (shown is not None) is is_there
    if shown is not None:
        assert json.loads(shown)["canonical_slug"] == "openai/gpt-4o"
