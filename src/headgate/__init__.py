"""Headgate: one self-hosted gateway in front of every model provider.

The names below are imported when they are first used, so that ``import headgate`` costs next to nothing.
"""

from typing import TYPE_CHECKING

__version__ = "0.1.0"
__all__ = ["FakeUpstream", "Gateway", "__version__"]

if TYPE_CHECKING:
    from headgate.app.gateway import Gateway
    from headgate.transport.fake import FakeUpstream

_HOMES = {"Gateway": "headgate.app.gateway", "FakeUpstream": "headgate.transport.fake"}


def __getattr__(name: str) -> object:
    if name not in _HOMES:
        raise AttributeError(f"module 'headgate' has no attribute {name!r}")
    from importlib import import_module  # noqa: PLC0415 - lazily, see the module's docstring

    return getattr(import_module(_HOMES[name]), name)
