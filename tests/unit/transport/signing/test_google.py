"""Google's credentials by google-auth itself, against a token server on loopback."""

import asyncio
import json
import logging
import time
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

from headgate.core.problems import ConfigError
from headgate.transport.base import UpstreamRequest
from headgate.transport.signing.google import google_signer
from headgate.transport.signing.tokens import NoToken, TokenSigner

REQUEST = UpstreamRequest(method="POST", url="http://h/", headers=())
GOOD = {"access_token": "ya29.canary", "expires_in": 3599, "token_type": "Bearer"}


@cache
def private_key() -> str:
    key = rsa.generate_private_key(65537, 2048)
    form = (serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    return key.private_bytes(*form).decode()


def account(url: str) -> str:
    return json.dumps(
        {
            "type": "service_account",
            "project_id": "p",
            "private_key_id": "1",
            "private_key": private_key(),
            "client_email": "a@p.iam.gserviceaccount.com",
            "token_uri": f"{url}/token",
        }
    )


def headers(signer: TokenSigner) -> dict[str, str]:
    return dict(asyncio.run(signer.sign(REQUEST)).headers)


def test_a_service_account_is_exchanged_for_a_token(token_server: Any, caplog: pytest.LogCaptureFixture):
    token_server.answer = GOOD
    signer = google_signer(account=account(token_server.url))
    with caplog.at_level(logging.DEBUG):
        assert headers(signer) == {"authorization": "Bearer ya29.canary"}
    ((path, body, _),) = token_server.asked
    assert path == "/token"
    assert body.startswith("assertion=")
    assert "ya29" not in caplog.text + repr(signer)
    assert "PRIVATE" not in caplog.text + repr(signer)


def test_a_token_ends_when_google_says(token_server: Any):
    token_server.answer = GOOD
    signer = google_signer(account=account(token_server.url))
    before_s = time.time()
    headers(signer)
    end_s = float(repr(signer).partition("expires_s=")[2].rstrip(")"))
    assert before_s + 3590 < end_s < time.time() + 3600


def test_the_credentials_of_the_machine_are_found(token_server: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    token_server.answer = GOOD
    (tmp_path / "adc.json").write_text(account(token_server.url))
    monkeypatch.setenv("GOOGLE_APPLICATION_CREDENTIALS", str(tmp_path / "adc.json"))
    monkeypatch.setenv("GOOGLE_CLOUD_QUOTA_PROJECT", "billed")
    signer = google_signer(scope="")
    assert headers(signer) == {"authorization": "Bearer ya29.canary", "x-goog-user-project": "billed"}
    assert headers(signer)["authorization"] == "Bearer ya29.canary"
    assert len(token_server.asked) == 1


def test_a_refusal_is_no_token(token_server: Any):
    token_server.status, token_server.answer = 400, {"error": "invalid_grant", "error_description": "Bad account"}
    with pytest.raises(NoToken, match=r"Google gave no token: RefreshError: .*Bad account"):
        headers(google_signer(account=account(token_server.url)))


def test_credentials_that_are_not_there_are_no_token(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("GOOGLE_APPLICATION_CREDENTIALS", str(tmp_path / "nothing.json"))
    with pytest.raises(NoToken, match=r"Google gave no token: DefaultCredentialsError: .*nothing\.json was not found"):
        headers(google_signer())


@pytest.mark.parametrize(
    "text", ["canary", "[]", "{}", '"canary"', '{"type": "service_account", "private_key": "canary"}']
)
def test_what_is_no_service_account_is_refused_without_showing_it(text: str):
    with pytest.raises(ConfigError, match="api_key must be a service account's JSON: write file:PATH") as caught:
        google_signer(account=text)
    assert "canary" not in str(caught.value)
