"""What `import headgate` gives and costs."""

import subprocess
import sys

import pytest

import headgate


def test_importing_it_loads_nothing_heavy() -> None:
    code = "import sys, headgate; print(*sorted(sys.modules))"
    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, check=True, text=True).stdout.split()
    heavy = {"asyncio", "fastapi", "msgspec", "openai", "pydantic", "sqlalchemy", "typer", "uvicorn", "yaml"}
    assert heavy & set(loaded) == set()


def test_its_names_are_found_when_they_are_used() -> None:
    assert [getattr(headgate, name).__name__ for name in ("FakeUpstream", "Gateway")] == ["FakeUpstream", "Gateway"]
    with pytest.raises(AttributeError, match="has no attribute 'Gatevay'"):
        _ = headgate.Gatevay
