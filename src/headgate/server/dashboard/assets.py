"""The files that pages load, in a folder named after what is in them all, so that browsers may keep them for good."""

import hashlib
from typing import Final, NamedTuple

from headgate.server.dashboard.rendering import HERE, add_global

_TYPES: Final = {".css": "text/css; charset=utf-8", ".js": "text/javascript; charset=utf-8", ".svg": "image/svg+xml"}


class Asset(NamedTuple):
    """A file."""

    media_type: str
    body: bytes


def _read() -> dict[str, Asset]:
    paths = [path for path in sorted((HERE / "assets").rglob("*")) if path.suffix in _TYPES]
    return {path.name: Asset(_TYPES[path.suffix], path.read_bytes()) for path in paths}


def _version(files: dict[str, Asset]) -> str:
    digest = hashlib.sha256()
    for name, asset in files.items():
        digest.update(f"{name} {len(asset.body)} ".encode() + asset.body)
    return digest.hexdigest()[:12]


_FILES: Final = _read()
_VERSION: Final = _version(_FILES)
ASSETS: Final = {f"{_VERSION}/{name}": asset for name, asset in _FILES.items()}
"""By what follows in their address."""


def _address(name: str) -> str:
    return f"/dashboard/assets/{_VERSION}/{_FILES[name] and name}"


add_global("asset", _address)
