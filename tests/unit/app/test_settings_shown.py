"""The configuration as people see it: every setting, and never a secret."""

from pathlib import Path

from headgate.app.config import build
from headgate.app.settings_shown import shown_settings

SECRET = "marked-secret-0123456789abcdef0123456789"


def test_every_setting_is_shown_and_no_secret(tmp_path: Path):
    tree = {
        "data_dir": str(tmp_path),
        "store": f"postgresql://me:{SECRET}@db/headgate",
        "admin_key": "env:ADMIN",
        "providers": {
            "lab": {"like": "openai", "base_url": "https://lab.example/v1", "api_key": "env:LAB", "models": ["m"]}
        },
        "routes": {"smart": {"targets": ["lab/m"]}},
        "alerts": {"webhook": {"url": f"https://hooks.example/a/{SECRET}/b", "secret": "env:HOOK"}},
    }
    shown = dict(shown_settings(build(tree, environ={"ADMIN": SECRET, "LAB": SECRET, "HOOK": SECRET})))
    assert SECRET not in str(shown)
    assert shown["admin_key"] == shown["providers.lab.api_key"] == "***"
    assert shown["providers.lab.base_url"] == "https://lab.example/v1"
    assert shown["providers.lab.models[0]"] == "m"
    assert shown["server.port"] == "8080"
    assert shown["store"].startswith("postgresql://")
