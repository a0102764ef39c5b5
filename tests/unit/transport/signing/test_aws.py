"""Signing for AWS: published vectors, a second computation by hand, and where credentials come from."""

import asyncio
import hashlib
import hmac
import sys
import threading
from collections.abc import Awaitable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from urllib.parse import quote, urlsplit

import botocore.auth
import botocore.session
import pytest
from botocore.credentials import Credentials, RefreshableCredentials

from headgate.core.problems import ConfigError, Outcome, UpstreamError
from headgate.transport.base import Signer, UpstreamRequest
from headgate.transport.signing.aws import Settings, SignatureSigner, aws_signer, signer_of

KEY_ID, SECRET = "AKIDEXAMPLE", "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY"
"""Of AWS's published examples, which are nobody's."""
THEN = datetime(2015, 8, 30, 12, 36, 0, tzinfo=UTC)

EXAMPLE = Settings(region="us-east-1", service="service", access_key_id=KEY_ID, secret_access_key=SECRET)
CALL = UpstreamRequest(
    method="POST",
    url="https://bedrock-runtime.us-east-1.amazonaws.com/model/us.anthropic.claude-x%3A0/converse",
    headers=(("content-type", "application/json"), ("accept", "application/json"), ("x-amzn-note", "a  b")),
    body=b'{"messages":[]}',
)


@pytest.fixture(autouse=True)
def _no_ambient_credentials(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in ("AWS_PROFILE", "AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "credentials"))
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "config"))
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")


@pytest.fixture
def _then(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(botocore.auth, "get_current_datetime", lambda: THEN.replace(tzinfo=None))


def signed(signer: Signer, request: UpstreamRequest = CALL) -> dict[str, str]:
    return dict(asyncio.run(_await(signer.sign(request))).headers)


async def _await(told: Awaitable[UpstreamRequest]) -> UpstreamRequest:
    return await told


@pytest.mark.usefixtures("_then")
@pytest.mark.parametrize(
    ("method", "target", "signature"),
    [
        ("GET", "/", "5fa00fa31553b73ebf1942676e86291e8372ff2a2260956d9b8aae1d763fbf31"),
        ("POST", "/", "5da7c1a2acd57cee7505fc6676e4e544621c30862966e37dddb68e92efbe5d6b"),
        (
            "GET",
            "/?Param2=value2&Param1=value1",
            "b97d918cfa904a5beff61c982a1b6f458b799221646efd99d3219ec94cdf2500",
        ),
        ("GET", "/?Param1=value1", "a67d582fa61cc504c4bae71f336f98b97f1ea3c7a6bfe1b6e45aec72011b9aeb"),
        (
            "GET",
            "/-._~0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz",
            "07ef7494c76fa4850883e2b006601f940f8a34d404d0cfa977f52a65bbf5f24f",
        ),
        ("POST", "/?Param1=value1", "28038455d6de14eafc1f9222cf5aa6f1a96197d7deb8263271d420d138af7f11"),
    ],
    ids=[
        "get-vanilla",
        "post-vanilla",
        "get-vanilla-query-order-key-case",
        "get-vanilla-empty-query-key",
        "get-unreserved",
        "post-vanilla-query",
    ],
)
def test_published_vectors(method: str, target: str, signature: str):
    request = UpstreamRequest(method=method, url=f"https://example.amazonaws.com{target}", headers=())
    assert signed(signer_of(EXAMPLE), request) == {
        "x-amz-date": "20150830T123600Z",
        "authorization": "AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/20150830/us-east-1/service/aws4_request, "
        f"SignedHeaders=host;x-amz-date, Signature={signature}",
    }


def by_hand(request: UpstreamRequest, headers: dict[str, str], region: str, secret: str) -> str:
    """The signature as https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_sigv-create-signed-request.html
    says it is computed."""
    parts = urlsplit(request.url)
    covered = {**headers, "host": parts.netloc}
    names = headers["authorization"].split("SignedHeaders=")[1].split(",")[0]
    lines = [f"{name}:{' '.join(covered[name].split())}" for name in names.split(";")]
    path = quote(parts.path, safe="/~")
    body = hashlib.sha256(request.body).hexdigest()
    canonical = "\n".join([request.method, path, parts.query, *lines, "", names, body])
    scope = f"{headers['x-amz-date'][:8]}/{region}/bedrock/aws4_request"
    digest = hashlib.sha256(canonical.encode()).hexdigest()
    key = f"AWS4{secret}".encode()
    for word in scope.split("/"):
        key = hmac.digest(key, word.encode(), "sha256")
    text = f"AWS4-HMAC-SHA256\n{headers['x-amz-date']}\n{scope}\n{digest}"
    return hmac.digest(key, text.encode(), "sha256").hex()


def test_a_call_of_bedrock_is_signed_as_the_documents_say():
    settings = Settings(region="eu-west-1", access_key_id=KEY_ID, secret_access_key=SECRET, session_token="tok")
    headers = signed(signer_of(settings))
    assert headers["authorization"].split("Signature=")[1] == by_hand(CALL, headers, "eu-west-1", SECRET)
    assert headers["x-amz-security-token"] == "tok"
    assert "SignedHeaders=content-type;host;x-amz-date;x-amz-security-token;x-amzn-note," in headers["authorization"]
    assert headers["accept"] == "application/json"


def test_another_credential_gives_way():
    request = UpstreamRequest(method="POST", url=CALL.url, headers=(("Authorization", "Bearer old"),))
    assert signed(signer_of(Settings(region="x", bearer="new")), request) == {"authorization": "Bearer new"}


def test_a_key_of_bedrock_needs_no_botocore(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setitem(sys.modules, "botocore.auth", None)
    assert signed(signer_of(Settings(region="x", bearer="abc")))["authorization"] == "Bearer abc"


def test_a_missing_extra_is_named(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setitem(sys.modules, "botocore.auth", None)
    with pytest.raises(ConfigError, match=r"headgate\[bedrock\]"):
        signer_of(EXAMPLE)


def test_a_credential_in_one_text():
    key = signed(aws_signer(region="us-east-1", credential=f"{KEY_ID}:{SECRET}:tok"))
    assert key["authorization"].split("Signature=")[1] == by_hand(CALL, key, "us-east-1", SECRET)
    assert key["x-amz-security-token"] == "tok"
    assert signed(aws_signer(region="us-east-1", credential="abc"))["authorization"] == "Bearer abc"


def test_half_a_key_is_refused():
    with pytest.raises(ConfigError, match="two halves"):
        aws_signer(region="x", credential=f"{KEY_ID}:")


def test_settings_show_no_secret():
    assert repr(Settings(region="r", bearer="b", access_key_id="a", secret_access_key="s")) == (
        "Settings(region='r', service='bedrock')"
    )


def credential_of(headers: dict[str, str]) -> str:
    return headers["authorization"].split("Credential=")[1].split("/")[0]


def test_credentials_are_found_in_the_environment(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "AKENV")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "s")
    assert credential_of(signed(signer_of(Settings(region="us-east-1")))) == "AKENV"


def test_credentials_are_found_in_a_profile(tmp_path: Path):
    (tmp_path / "credentials").write_text("[work]\naws_access_key_id = AKWORK\naws_secret_access_key = s\n")
    assert credential_of(signed(signer_of(Settings(region="us-east-1", profile="work")))) == "AKWORK"


def test_no_credentials_are_the_accounts_fault():
    with pytest.raises(UpstreamError, match="no AWS credentials were found: set AWS_BEARER_TOKEN_BEDROCK") as raised:
        signed(signer_of(Settings(region="us-east-1")))
    assert (raised.value.problem.kind, raised.value.problem.outcome) == ("authentication", Outcome.ACCOUNT)


def test_an_unknown_profile_is_the_accounts_fault():
    with pytest.raises(UpstreamError, match=r"could not be had: .*nowhere") as raised:
        signed(signer_of(Settings(region="us-east-1", profile="nowhere")))
    assert raised.value.problem.outcome == Outcome.ACCOUNT


class Source:
    """Credentials with a term, each renewal counted."""

    def __init__(self, *terms_s: int) -> None:
        self._terms = iter(terms_s)
        self.renewals = 0
        self.threads: set[int] = set()
        self.credentials = RefreshableCredentials.create_from_metadata(self.renew(), self.renew, "test")

    def renew(self) -> dict[str, str]:
        self.renewals += 1
        self.threads.add(threading.get_ident())
        expires = datetime.now(UTC) + timedelta(seconds=next(self._terms))
        return {
            "access_key": f"AK{self.renewals}",
            "secret_key": "s",
            "token": "t",
            "expiry_time": expires.isoformat(),
        }


def signer_with(monkeypatch: pytest.MonkeyPatch, credentials: Credentials) -> SignatureSigner:
    monkeypatch.setattr(botocore.session.Session, "get_credentials", lambda _self: credentials)
    return SignatureSigner(Settings(region="us-east-1"))


def test_credentials_that_last_are_not_renewed(monkeypatch: pytest.MonkeyPatch):
    source = Source(3600)
    signer = signer_with(monkeypatch, source.credentials)
    assert [credential_of(signed(signer)) for _ in range(3)] == ["AK1"] * 3
    assert source.renewals == 1


def test_credentials_are_renewed_ahead_of_their_end_and_in_a_thread(monkeypatch: pytest.MonkeyPatch):
    source = Source(300, 3600)
    signer = signer_with(monkeypatch, source.credentials)
    assert [credential_of(signed(signer)) for _ in range(2)] == ["AK2"] * 2
    assert len(source.threads - {threading.get_ident()}) == 1


def test_many_calls_make_one_renewal(monkeypatch: pytest.MonkeyPatch):
    source = Source(300, 3600)
    signer = signer_with(monkeypatch, source.credentials)

    async def many() -> list[UpstreamRequest]:
        return await asyncio.gather(*(signer.sign(CALL) for _ in range(20)))

    keys = {credential_of(dict(request.headers)) for request in asyncio.run(many())}
    assert (keys, source.renewals) == ({"AK2"}, 2)


def test_calls_go_on_while_credentials_are_renewed_early(monkeypatch: pytest.MonkeyPatch):
    source = Source(1000, 800, 3600)
    signer = signer_with(monkeypatch, source.credentials)
    assert credential_of(signed(signer)) == "AK1"
    source.credentials._expiry_time = datetime.now(UTC) + timedelta(seconds=700)
    entered, leave = threading.Event(), threading.Event()
    renew = source.credentials._refresh_using

    def slow() -> dict[str, str]:
        entered.set()
        assert leave.wait(5)
        return renew()

    source.credentials._refresh_using = slow

    async def two() -> tuple[str, str]:
        async with asyncio.TaskGroup() as group:
            first = group.create_task(signer.sign(CALL))
            await asyncio.to_thread(entered.wait, 5)
            second = await signer.sign(CALL)
            leave.set()
        return credential_of(dict(first.result().headers)), credential_of(dict(second.headers))

    assert asyncio.run(two()) == ("AK2", "AK1")
