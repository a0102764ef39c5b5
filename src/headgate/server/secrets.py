"""Client secrets: what an application gives to a browser so that it can open one kind of live session, for a while.

They are Headgate's own, kept in memory, and good here alone: a provider's would let its bearer past every limit and
record of this gateway. Each stands for the key that it was made with, and is as good as that key is. Pure but for the
dice and the clock that it is given.
"""

import secrets
import time
from collections.abc import Callable
from typing import Final

import msgspec
from msgspec import Raw, Struct

from headgate.core.problems import InvalidRequest, Problem, UpstreamError

PREFIX: Final = "ek_hg_"
SECONDS_DEFAULT: Final = 600
SECONDS_MIN: Final = 10
SECONDS_MAX: Final = 7200
"""https://platform.openai.com/docs/api-reference/realtime-sessions/create-realtime-client-secret (2026-11)"""
SECRETS_MAX: Final = 10_000
"""At a time; those that have expired make room."""
SECRETS_PER_KEY_MAX: Final = 1_000
SESSION_BYTES_MAX: Final = 64 * 1024
"""Of the settings that a secret holds."""


class Grant(Struct, frozen=True, kw_only=True):
    """What a secret stands for."""

    presented: bytes
    """The key that it was made with, which is looked at again when the secret is used."""
    model: str
    session: bytes
    """The session's settings, as JSON; empty: none."""
    is_transcribing: bool
    expires_s: int
    """Unix seconds."""


class _After(Struct):
    anchor: str = "created_at"
    seconds: int = SECONDS_DEFAULT


class _Wanted(Struct):
    session: Raw = Raw(b"{}")
    expires_after: _After | None = None


_WANTED: Final = msgspec.json.Decoder(_Wanted)
_MEMBERS: Final = msgspec.json.Decoder(dict[str, Raw])
_NULL: Final = Raw(b"null")


class Minting(Struct, frozen=True, kw_only=True):
    """What to make a secret of."""

    model: str
    session: dict[str, Raw]
    seconds: int
    is_transcribing: bool


def parse_client_secret(body: bytes) -> Minting:
    """The body of `POST /v1/realtime/client_secrets`. Raises `InvalidRequest`."""
    try:
        wanted = _WANTED.decode(body or b"{}")
        session = _MEMBERS.decode(wanted.session) if wanted.session != _NULL else {}
    except (msgspec.DecodeError, ValueError, RecursionError) as error:
        raise InvalidRequest(f"The body is not valid: {error}.") from None
    after = wanted.expires_after or _After()
    if after.anchor != "created_at":
        raise InvalidRequest("'expires_after.anchor' has to be 'created_at'.", param="expires_after.anchor")
    if not SECONDS_MIN <= after.seconds <= SECONDS_MAX:
        told = f"'expires_after.seconds' has to be from {SECONDS_MIN} to {SECONDS_MAX}."
        raise InvalidRequest(told, param="expires_after.seconds")
    return _minting(session, after.seconds, "session.", is_transcribing=_text(session, "type") == "transcription")


def parse_session(body: bytes, *, is_transcribing: bool) -> Minting:
    """The body of the older `POST /v1/realtime/sessions` and `/transcription_sessions`: the settings themselves."""
    try:
        session = _MEMBERS.decode(body or b"{}")
    except (msgspec.DecodeError, ValueError, RecursionError) as error:
        raise InvalidRequest(f"The body is not valid: {error}.") from None
    return _minting(session, SECONDS_DEFAULT, "", is_transcribing=is_transcribing)


def _minting(session: dict[str, Raw], seconds: int, at: str, *, is_transcribing: bool) -> Minting:
    size = sum(len(memoryview(value)) for value in session.values())
    if size > SESSION_BYTES_MAX:
        raise InvalidRequest(
            f"The session's settings are over {SESSION_BYTES_MAX} bytes.", param=at.rstrip(".") or None
        )
    model = _text(session, "model") or (_transcriber(session) if is_transcribing else "")
    if not model:
        where = "audio.input.transcription.model" if is_transcribing else "model"
        raise InvalidRequest(f"'{at}{where}' is required: name the model that is to be spoken to.", param=at + where)
    return Minting(model=model, session=session, seconds=seconds, is_transcribing=is_transcribing)


def _transcriber(session: dict[str, Raw]) -> str:
    audio = _object(session.get("audio", _NULL))
    told = _object(_object(audio.get("input", _NULL)).get("transcription", _NULL))
    return _text(told or _object(session.get("input_audio_transcription", _NULL)), "model")


def _object(raw: Raw) -> dict[str, Raw]:
    return _MEMBERS.decode(raw) if bytes(memoryview(raw)[:1]) == b"{" else {}


def _text(members: dict[str, Raw], name: str) -> str:
    raw = members.get(name, _NULL)
    return msgspec.json.decode(raw, type=str) if bytes(memoryview(raw)[:1]) == b'"' else ""


class ClientSecrets:
    """All secrets that are good. `clock` gives Unix seconds."""

    def __init__(self, clock: Callable[[], float] = time.time) -> None:
        self._clock = clock
        self._grants: dict[str, Grant] = {}

    def mint(self, minting: Minting, presented: bytes) -> tuple[str, Grant]:
        """A new secret and what it stands for. Raises when there are too many."""
        now_s = self._clock()
        if len(self._grants) >= SECRETS_MAX or self._count(presented) >= SECRETS_PER_KEY_MAX:
            self._grants = {text: grant for text, grant in self._grants.items() if grant.expires_s > now_s}
        if len(self._grants) >= SECRETS_MAX or self._count(presented) >= SECRETS_PER_KEY_MAX:
            told = f"Too many client secrets are good at a time ({SECRETS_PER_KEY_MAX} of a key, {SECRETS_MAX} in all)."
            raise UpstreamError(Problem(kind="rate_limit", message=told, retry_after_s=float(SECONDS_MIN)))
        text = PREFIX + secrets.token_urlsafe(32)
        grant = self._grants[text] = Grant(
            presented=presented,
            model=minting.model,
            session=msgspec.json.encode({name: minting.session[name] for name in minting.session if name != "model"}),
            is_transcribing=minting.is_transcribing,
            expires_s=int(now_s) + minting.seconds,
        )
        return text, grant

    def find(self, text: bytes) -> Grant | None:
        """What a secret stands for; None: it is none, or not any more."""
        grant = self._grants.get(text.decode("latin-1"))
        return grant if grant is not None and grant.expires_s > self._clock() else None

    def _count(self, presented: bytes) -> int:
        return sum(grant.presented == presented for grant in self._grants.values())
