"""Client secrets: what they are made of, how long they are good, and how many there may be."""

import json

import pytest

from headgate.core.problems import InvalidRequest, UpstreamError
from headgate.server.secrets import (
    PREFIX,
    SECRETS_PER_KEY_MAX,
    SESSION_BYTES_MAX,
    ClientSecrets,
    Minting,
    parse_client_secret,
    parse_session,
)


class Clock:
    def __init__(self) -> None:
        self.now_s = 1000.5

    def __call__(self) -> float:
        return self.now_s


def minting(**members: object) -> Minting:
    return parse_client_secret(json.dumps({"session": {"type": "realtime", "model": "m", **members}}).encode())


def test_a_secret_is_good_until_it_expires():
    clock = Clock()
    secrets = ClientSecrets(clock)
    text, grant = secrets.mint(minting(instructions="hi"), b"key")
    assert text.startswith(PREFIX)
    assert len(text) > 40
    assert (grant.model, grant.presented, grant.expires_s, grant.is_transcribing) == ("m", b"key", 1600, False)
    assert json.loads(grant.session) == {"type": "realtime", "instructions": "hi"}
    assert secrets.find(text.encode()) is grant
    assert secrets.find(b"ek_hg_other") is None
    assert secrets.find(b"\xff") is None
    clock.now_s = 1599.9
    assert secrets.find(text.encode()) is grant
    clock.now_s = 1600.0
    assert secrets.find(text.encode()) is None


def test_there_are_so_many_of_a_key_and_what_has_expired_makes_room():
    clock = Clock()
    secrets = ClientSecrets(clock)
    for _ in range(SECRETS_PER_KEY_MAX):
        secrets.mint(minting(), b"key")
    with pytest.raises(UpstreamError) as caught:
        secrets.mint(minting(), b"key")
    assert caught.value.problem.http_status == 429
    secrets.mint(minting(), b"another")
    clock.now_s += 600
    assert secrets.mint(minting(), b"key")[0]


def test_what_is_asked_for():
    body = {"expires_after": {"anchor": "created_at", "seconds": 7200}, "session": {"model": "m", "tools": []}}
    found = parse_client_secret(json.dumps(body).encode())
    assert (found.model, found.seconds, sorted(found.session), found.is_transcribing) == (
        "m", 7200, ["model", "tools"], False
    )  # fmt: skip
    nested = {"type": "transcription", "audio": {"input": {"transcription": {"model": "w"}}}}
    found = parse_client_secret(json.dumps({"session": nested}).encode())
    assert (found.model, found.is_transcribing) == ("w", True)
    assert parse_session(b'{"model":"m","voice":"alloy"}', is_transcribing=False).model == "m"
    older = parse_session(b'{"input_audio_transcription":{"model":"w"}}', is_transcribing=True)
    assert (older.model, older.seconds) == ("w", 600)


@pytest.mark.parametrize(
    ("body", "param"),
    [
        (b"[]", None),
        (b"{", None),
        (b'{"session":7}', None),
        (b'{"session":null}', "session.model"),
        (b"", "session.model"),
        (b'{"session":{"model":7}}', "session.model"),
        (b'{"session":{"type":"transcription"}}', "session.audio.input.transcription.model"),
        (b'{"session":{"model":"m"},"expires_after":{"seconds":9}}', "expires_after.seconds"),
        (b'{"session":{"model":"m"},"expires_after":{"seconds":7201}}', "expires_after.seconds"),
        (b'{"session":{"model":"m"},"expires_after":{"anchor":"x"}}', "expires_after.anchor"),
        (b'{"session":{"model":"m","i":"%b"}}' % (b"x" * SESSION_BYTES_MAX), "session"),
    ],
)
def test_what_cannot_be_made(body: bytes, param: str | None):
    with pytest.raises(InvalidRequest) as caught:
        parse_client_secret(body)
    assert caught.value.problem.param == param


@pytest.mark.parametrize(("body", "param"), [(b"[]", None), (b"{}", "model")])
def test_the_older_endpoint_likewise(body: bytes, param: str | None):
    with pytest.raises(InvalidRequest) as caught:
        parse_session(body, is_transcribing=False)
    assert caught.value.problem.param == param
