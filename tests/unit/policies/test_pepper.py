"""The pepper: from the environment or a file of its own, made once."""

import hmac
from pathlib import Path
from threading import Thread

import pytest
from hypothesis import given
from hypothesis import strategies as st

from headgate.core.problems import ConfigError
from headgate.policies.pepper import Pepper, load_pepper


@given(st.binary(min_size=1, max_size=100), st.binary())
def test_the_digest_is_hmac_sha_256(secret: bytes, text: bytes):
    assert Pepper(secret).digest(text) == hmac.digest(secret, text, "sha256")


def test_it_is_made_once_and_for_its_owner_only(tmp_path: Path):
    first = load_pepper(tmp_path / "data", {})
    second = load_pepper(tmp_path / "data", {})

    path = tmp_path / "data" / "pepper"
    assert first.fingerprint == second.fingerprint
    assert path.stat().st_mode & 0o777 == 0o600
    assert [each.name for each in path.parent.iterdir()] == ["pepper"]


def test_two_first_starts_at_once_agree(tmp_path: Path):
    found: list[str] = []
    threads = [Thread(target=lambda: found.append(load_pepper(tmp_path, {}).fingerprint)) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert len(found) == 8
    assert len(set(found)) == 1


def test_the_environment_comes_first(tmp_path: Path):
    given_one = load_pepper(tmp_path, {"HEADGATE_PEPPER": "sixteen letters!"})

    assert given_one.fingerprint == Pepper(b"sixteen letters!").fingerprint
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("short", ["", "fifteen letters"])
def test_a_short_one_is_refused(tmp_path: Path, short: str):
    with pytest.raises(ConfigError, match="HEADGATE_PEPPER"):
        load_pepper(tmp_path, {"HEADGATE_PEPPER": short})


def test_a_damaged_file_is_refused(tmp_path: Path):
    (tmp_path / "pepper").write_bytes(b"")

    with pytest.raises(ConfigError, match="damaged"):
        load_pepper(tmp_path, {})


def test_the_secret_is_not_shown():
    assert "secret" not in repr(vars(Pepper(b"the secret itself")))
