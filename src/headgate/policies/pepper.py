"""The pepper: the secret that stored keys are hashed with, so that a stolen database opens nothing."""

import hashlib
import hmac
import os
import secrets
from collections.abc import Mapping
from pathlib import Path

from headgate.core.problems import ConfigError

VARIABLE = "HEADGATE_PEPPER"
FILE = "pepper"
_CHARACTERS_MIN = 16
_BLOCK = 64


class Pepper:
    """HMAC-SHA-256 under one secret. Its text never appears in a `repr`."""

    def __init__(self, secret: bytes) -> None:
        # Both halves begun once: 3.7 µs (hmac.digest) → 1.4 µs per digest.
        block = (hashlib.sha256(secret).digest() if len(secret) > _BLOCK else secret).ljust(_BLOCK, b"\0")
        self._inner = hashlib.sha256(bytes(byte ^ 0x36 for byte in block))
        self._outer = hashlib.sha256(bytes(byte ^ 0x5C for byte in block))
        self.fingerprint = hmac.digest(secret, b"headgate pepper", "sha256").hex()[:16]
        """Tells one pepper from another, and nothing else."""

    def digest(self, text: bytes) -> bytes:
        """The HMAC of `text`."""
        inner, outer = self._inner.copy(), self._outer.copy()
        inner.update(text)
        outer.update(inner.digest())
        return outer.digest()


def load_pepper(data_dir: Path, environment: Mapping[str, str]) -> Pepper:
    """From the variable HEADGATE_PEPPER, else from `data_dir`/pepper, which is made at the first start."""
    given = environment.get(VARIABLE)
    if given is None:
        return Pepper(_from_file(data_dir))
    if len(given) < _CHARACTERS_MIN:
        raise ConfigError(f"{VARIABLE} is too short: it takes at least {_CHARACTERS_MIN} characters.")
    return Pepper(given.encode())


def _from_file(data_dir: Path) -> bytes:
    path = data_dir / FILE
    if not path.exists():
        _make(path)
    secret = path.read_bytes().strip()
    if len(secret) < _CHARACTERS_MIN:
        raise ConfigError(f"{path} is damaged: it has {len(secret)} characters. Put the backup back.")
    return secret


def _make(path: Path) -> None:
    """Complete or not at all, and never over another process's: written aside, then given its name."""
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    aside = path.with_name(f"{FILE}.{secrets.token_hex(4)}")
    file = os.open(aside, os.O_CREAT | os.O_EXCL | os.O_WRONLY | os.O_CLOEXEC, 0o600)
    try:
        os.write(file, secrets.token_hex(32).encode() + b"\n")
        os.fsync(file)
        path.hardlink_to(aside)
    except FileExistsError:
        return
    finally:
        os.close(file)
        aside.unlink()
