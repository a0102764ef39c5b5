"""Entra ID by azure-identity itself, against a managed identity's endpoint on loopback."""

import asyncio
import logging
import time
from typing import Any

import pytest

from headgate.transport.base import UpstreamRequest
from headgate.transport.signing.azure import azure_signer
from headgate.transport.signing.tokens import NoToken

REQUEST = UpstreamRequest(method="POST", url="http://h/", headers=())


@pytest.fixture(autouse=True)
def managed_identity(token_server: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """As App Service tells it (https://learn.microsoft.com/azure/app-service/overview-managed-identity, 2026-11)."""
    for name in ("AZURE_CLIENT_ID", "AZURE_CLIENT_SECRET", "AZURE_TENANT_ID"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AZURE_TOKEN_CREDENTIALS", "ManagedIdentityCredential")
    monkeypatch.setenv("IDENTITY_ENDPOINT", f"{token_server.url}/msi/token")
    monkeypatch.setenv("IDENTITY_HEADER", "this-machine")


def test_a_managed_identity_gives_a_token(token_server: Any, caplog: pytest.LogCaptureFixture):
    token_server.answer = {
        "access_token": "eyJ.canary",
        "expires_on": str(int(time.time()) + 3600),
        "resource": "r",
        "token_type": "Bearer",
    }
    signer = azure_signer(scope="https://cognitiveservices.azure.com/.default")
    with caplog.at_level(logging.DEBUG):
        signed = asyncio.run(signer.sign(REQUEST))
    assert signed.headers == (("authorization", "Bearer eyJ.canary"),)
    ((path, _, sent),) = token_server.asked
    assert path.startswith("/msi/token?")
    assert "resource=https://cognitiveservices.azure.com" in path
    assert sent["x-identity-header"] == "this-machine"
    assert "canary" not in caplog.text + repr(signer)


def test_a_token_ends_when_entra_id_says(token_server: Any):
    end_s = int(time.time()) + 3600
    token_server.answer = {"access_token": "t", "expires_on": str(end_s), "resource": "r", "token_type": "Bearer"}
    signer = azure_signer(scope="https://cognitiveservices.azure.com/.default")
    asyncio.run(signer.sign(REQUEST))
    assert repr(signer) == f"TokenSigner(Token(expires_s={float(end_s)!r}))"


def test_a_refusal_is_no_token(token_server: Any):
    token_server.status, token_server.answer = 400, {"message": "no such identity"}
    with pytest.raises(NoToken, match="Entra ID gave no token: "):
        asyncio.run(azure_signer(scope="").sign(REQUEST))
