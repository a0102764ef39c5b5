"""Named deviations of services that speak the Messages API. Each is a change of the request's top level."""

from typing import Final

from headgate.dialects.base import Quirk


def _version_in_body(members: dict[str, object]) -> dict[str, object]:
    rest = {name: value for name, value in members.items() if name != "model"}
    return {**rest, "anthropic_version": "vertex-2023-10-16"}


QUIRKS: Final[dict[str, Quirk]] = {
    "vertex_body": Quirk(
        source="https://docs.claude.com/en/api/claude-on-vertex-ai (2026-11): model in the path, version in the body",
        apply=_version_in_body,
    ),
}
