"""A secret is hard to show by accident."""

import pickle
from pathlib import Path

import pytest

from headgate.app.config_secrets import SECRET_BYTES_MAX, BadReference, Secret, Surroundings, resolve


def test_only_reveal_shows_it() -> None:
    secret = Secret("s3cret")
    assert [repr(secret), str(secret), f"{secret}", repr([secret])] == ["***", "***", "***", "[***]"]
    assert secret.reveal() == "s3cret"


def test_it_is_compared_and_counted_but_not_written() -> None:
    secret = Secret("a")
    assert (secret == Secret("a"), secret == Secret("b"), secret == "a") == (True, False, False)
    assert (len(secret), bool(secret), bool(Secret("")), len({secret, Secret("a")})) == (1, True, False, 1)
    with pytest.raises(TypeError, match="not written anywhere"):
        pickle.dumps(secret)


@pytest.mark.parametrize(
    ("content", "fault"),
    [(b"", "is empty"), (b"\xff", "is not text"), (b"x" * (SECRET_BYTES_MAX + 1), "is over 64 KiB")],
)
def test_a_file_without_a_secret_says_why(tmp_path: Path, content: bytes, fault: str) -> None:
    (tmp_path / "key").write_bytes(content)
    with pytest.raises(BadReference, match=fault):
        resolve("file:key", Surroundings({}, tmp_path))
