"""What a caller sends about things that are kept, looked at before it goes anywhere: its kind, its form, and to whom.

Must not know what providers keep beyond the table below.
"""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Final

import msgspec
from msgspec import Raw, structs

from headgate.core.needs import NO_WISHES
from headgate.core.principal import Principal
from headgate.core.problems import InvalidRequest, UnknownModel
from headgate.dialects.resources import ANTHROPIC, GEMINI, OPENAI, Place
from headgate.dialects.side import FORM, is_form, is_json
from headgate.engine.call import Call
from headgate.engine.candidates import planned
from headgate.engine.forms import Form, open_form
from headgate.providers.catalog import Deployment, Provider

if TYPE_CHECKING:
    from headgate.engine.conduct import Engine

_FILES: Final[Mapping[tuple[str, str], str]] = {
    ("/files", ""): "file",
    ("/files/upload", ""): "file",
    ("/uploads", "/parts"): "data",
}
"""What takes a form and nothing else, by its path and what follows an id: the part that holds the file. (OpenAI's API
reference, https://platform.openai.com/docs/api-reference/files/create and /uploads/add-part;
https://docs.together.ai/reference/upload-file, 2026-11.)"""
_OURS: Final = frozenset({"/files", "/files/upload", "/uploads"})
"""Where `model` and `provider` are the gateway's own words and go no further; elsewhere a model is the provider's."""
_LAX: Final = frozenset({"", "text/plain", "application/x-www-form-urlencoded"})
"""What hand-made calls say of JSON."""
_OBJECT: Final = msgspec.json.Decoder(dict[str, Raw])
_TEXT: Final = msgspec.json.Decoder(str)
_ENCODE: Final = msgspec.json.Encoder().encode
SPOKEN: Final = {
    OPENAI: frozenset({OPENAI, "openai_responses"}),
    ANTHROPIC: frozenset({ANTHROPIC}),
    GEMINI: frozenset({GEMINI}),
}
"""Doors to each API."""


async def received(call: Call, place: Place, content_type: str) -> Form | None:
    """The form of a POST, read up to its first file; None: it brings none. Raises `InvalidRequest` for what is neither
    form nor JSON, or lacks its file."""
    file = _FILES.get((place.collection.path, place.rest)) if bool(place.id) == bool(place.rest) else None
    if is_form(content_type):
        form = await open_form(call, content_type)
        if file is not None and form.file != file:
            raise InvalidRequest(f"'{file}' is missing: send the file as a part of the form, with its name", param=file)
        return form
    if file is not None:
        raise _unsupported(content_type, FORM)
    if call.body or call.upload is not None:
        if is_no_json(content_type):
            raise _unsupported(content_type, f"application/json or {FORM}")
        _members(call.body)
    return None


def is_no_json(content_type: str) -> bool:
    """Whether a body says that it is something else than JSON."""
    return content_type.partition(";")[0].strip().lower() not in _LAX and not is_json(content_type)


def provider_told(form: Form | None, place: Place) -> str:
    """The provider that the body of an upload names; empty: none."""
    if form is None or place.collection.path not in _OURS:
        return ""
    form.drop("provider")
    return form.fields.get("provider", "").strip()


def provider_meant(engine: "Engine", call: Call, form: Form | None, place: Place, dialect: str) -> str:
    """The provider of the model that the body names, which gets that model by its own name for it; empty: nothing there
    says so. Raises a `ClientError` for an upload whose model cannot be used for that."""
    name = form.fields.get("model", "") if form is not None else _model_of(call.body)
    if not name:
        return ""
    is_ours = place.collection.path in _OURS
    try:
        deployment = _deployment(engine, call.principal, name, dialect)
    except UnknownModel:
        if is_ours:
            raise
        return ""
    if is_ours:
        if form is not None:
            form.drop("model")
    elif form is not None:
        form.put("model", deployment.model)
    elif deployment.model != name:
        call.body = _ENCODE({**_OBJECT.decode(call.body), "model": deployment.model})
    return deployment.provider


def _deployment(engine: "Engine", principal: Principal, name: str, dialect: str) -> Deployment:
    """Where a model runs first, of those that keep things."""
    deployments = planned(engine, principal, name, NO_WISHES).plan.deployments
    for deployment in deployments:
        if speaks(engine.directory.providers[deployment.provider], dialect):
            return deployment
    raise InvalidRequest(f"None of the providers of {name!r} keeps such things.", param="model")


def speaks(provider: Provider, dialect: str) -> bool:
    """Whether a provider has that API."""
    return any(door.dialect in SPOKEN[dialect] and door.paths is None for door in provider.doors)


def _model_of(body: bytes) -> str:
    try:
        return _TEXT.decode(_OBJECT.decode(body)["model"]) if body else ""
    except (msgspec.DecodeError, UnicodeDecodeError, KeyError):
        return ""


def _members(body: bytes) -> None:
    try:
        _OBJECT.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise InvalidRequest(f"The body is not a JSON object: {error}") from None


def _unsupported(content_type: str, wanted: str) -> InvalidRequest:
    kind = content_type.partition(";")[0].strip().lower()
    told = f"content-type {kind[:80] or 'is missing: it'} cannot be used here; send {wanted}"
    error = InvalidRequest(told, param="content-type", code="unsupported_content_type")
    error.problem = structs.replace(error.problem, status=415)
    return error
