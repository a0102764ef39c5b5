"""An operator's configuration at simulated upstreams: nothing of it may reach a provider."""

from pathlib import Path

import pytest

from headgate.app.config import Setup, build
from headgate.app.drill.simulating import Stage, simulated, strangers, targets
from headgate.core.problems import ConfigError
from headgate.providers.catalog import configure

TREE = {
    "providers": {
        "openai": {"api_key": "env:K"},
        "anthropic": {"api_key": "env:K", "headers": {"x-team": "a"}},
        "gemini": {"api_key": "env:K"},
        "azure": {"like": "azure", "resource": "mine", "api_key": "env:K"},
        "bedrock": {"api_key": "env:K", "region": "eu-west-1"},
        "local": {
            "like": "openai",
            "base_url": "http://10.0.0.1:8000/v1",
            "api_key": "none",
            "speaks": ["openai_chat"],
        },
    },
    "admin_key": "env:ADMIN",
    "routes": {
        "smart": {"targets": ["openai/gpt-4o", "anthropic/claude-haiku-4-5", "openai/gpt-4o-mini"], "timeout_s": 9},
        "odd": {"targets": ["bedrock/anthropic.claude-haiku-4-5", "local/llama"]},
    },
}


@pytest.fixture
def setup() -> Setup:
    return build(TREE, environ={"K": "real-secret", "ADMIN": "a" * 40, "HOME": "/nowhere"})


def staged(setup: Setup, tmp_path: Path) -> Setup:
    upstreams = {"openai": "http://127.0.0.1:1001", "anthropic": "http://127.0.0.1:1002"}
    return simulated(setup, Stage(folder=tmp_path, port=7000, admin_port=7001, upstreams=upstreams))


def test_no_address_and_no_credential_is_left(setup: Setup, tmp_path: Path) -> None:
    doors = [door for settings in staged(setup, tmp_path).providers for door in configure(settings).doors]
    assert all(door.base_url.startswith(("http://127.0.0.1:", "demo:")) for door in doors)
    assert "real-secret" not in repr([(door.headers, door.query, door.signer) for door in doors])
    assert [door.signer for door in doors if door.signer] == []


def test_each_provider_keeps_its_api_where_it_is_simulated(setup: Setup, tmp_path: Path) -> None:
    led = {settings.name: configure(settings).doors for settings in staged(setup, tmp_path).providers}
    assert [(door.dialect, door.base_url) for door in led["openai"]] == [
        ("openai_chat", "http://127.0.0.1:1001/v1"),
        ("openai_responses", "http://127.0.0.1:1001/v1"),
    ]
    assert [(door.dialect, door.base_url, door.version) for door in led["anthropic"]] == [
        ("anthropic", "http://127.0.0.1:1002", "2023-06-01")
    ]
    assert [door.dialect for door in led["local"]] == ["openai_chat"]
    assert [(door.dialect, door.base_url) for door in led["bedrock"]] == [("openai_chat", "http://127.0.0.1:9/v1")]
    assert strangers(setup, ["bedrock", "openai", "local"]) == ["bedrock"]


def test_routes_stay_and_everything_kept_goes_elsewhere(setup: Setup, tmp_path: Path) -> None:
    config = staged(setup, tmp_path).config
    assert config.routes == setup.config.routes
    assert (config.data_dir, config.store_name, config.admin_key) == (tmp_path, str(tmp_path / "headgate.db"), None)
    assert (config.server.host, config.server.port, config.server.admin_port) == ("127.0.0.1", 7000, 7001)


def test_a_routes_providers_are_its_places(setup: Setup) -> None:
    assert targets(setup, "smart") == ["openai", "anthropic"]
    with pytest.raises(ConfigError, match="no route 'none' is configured; there are: smart, odd"):
        targets(setup, "none")
