"""Several programs over one data directory."""

import asyncio
from pathlib import Path

import pytest

from headgate.app import core
from headgate.app.config import build
from headgate.core.problems import ConfigError


def test_libraries_share_a_data_directory_with_one_server(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    async def run() -> list[str]:
        setup = build({"data_dir": str(tmp_path)}, environ={})
        async with (
            core.open_core(setup) as server,
            core.open_core(setup, is_library=True) as first,
            core.open_core(setup, is_library=True) as second,
        ):
            with pytest.raises(ConfigError, match="Another headgate process uses"):
                async with core.open_core(setup):
                    pass
            monkeypatch.setattr(core, "JOURNALS_MAX", 2)
            with pytest.raises(ConfigError, match="2 programs use"):
                async with core.open_core(setup, is_library=True):
                    pass
            return [opened.journal.settings.directory.name for opened in (server, first, second)]

    assert asyncio.run(run()) == ["journal", "journal-library-1", "journal-library-2"]
