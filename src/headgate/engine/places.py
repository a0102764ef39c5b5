"""Which provider a call goes to that names no model: the one it names, or the only one that comes into question."""

from typing import TYPE_CHECKING

from headgate.core.principal import Principal
from headgate.core.problems import InvalidRequest, UnknownModel
from headgate.dialects.resources import OPENAI
from headgate.engine.own import OWN
from headgate.providers.catalog import Provider

if TYPE_CHECKING:
    from headgate.engine.conduct import Engine


def provider_for(engine: "Engine", principal: Principal, dialect: str, name: str, *, is_kept: bool) -> Provider:
    """The provider of that name, else the gateway's usual one, else the only one there is. Raises `InvalidRequest`.

    `is_kept`: the name comes from what was minted there, so that no key's limits stand against it.
    """
    providers = engine.directory.providers
    if name:
        found = providers.get(name)
        if found is None or not (is_kept or may_reach(engine, principal, name)):
            raise InvalidRequest(
                f"This key reaches no provider {name!r}; it may name one of: {_listed(engine, principal, dialect)}.",
                param="provider",
            )
        return found
    usual = engine.settings.keeper
    candidates = [each for each in _candidates(engine, principal, dialect) if not usual or each == usual]
    if len(candidates) != 1:
        raise InvalidRequest(
            "Say which provider is meant: add ?provider=NAME or the header x-headgate-provider. "
            f"This key may name one of: {_listed(engine, principal, dialect)}.",
            param="provider",
        )
    return providers[candidates[0]]


def may_reach(engine: "Engine", principal: Principal, name: str) -> bool:
    """Whether a key may use a provider: one that some model of the key's runs at."""
    if principal.models is None:
        return True
    for model in principal.models:
        try:
            route = engine.route(model)
        except UnknownModel:
            continue
        if any(target.deployment.provider == name for target in route.targets):
            return True
    return False


def _candidates(engine: "Engine", principal: Principal, dialect: str) -> list[str]:
    spoken = {"openai_chat", "openai_responses"} if dialect == OPENAI else {dialect}
    return [
        name
        for name, provider in engine.directory.providers.items()
        if any(door.dialect in spoken and door.base_url.startswith("http") for door in provider.doors)
        and may_reach(engine, principal, name)
    ]


def _listed(engine: "Engine", principal: Principal, dialect: str) -> str:
    own = [OWN] if engine.own is not None and dialect == OPENAI else []
    return ", ".join([*_candidates(engine, principal, dialect), *own]) or "none"
