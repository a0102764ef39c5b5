"""Credentials that are fetched just before a call is sent, and addresses that hold the model, by the real engine."""

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest
from msgspec import structs

from headgate.core.problems import Outcome
from headgate.engine.conduct import Engine
from headgate.transport.base import UpstreamRequest
from headgate.transport.fake import FakeUpstream
from headgate.transport.fake.upstream import TEXT
from headgate.transport.signing.tokens import NoToken
from tests.engine.harness import bench, text_of

SIGNER = "vertex-anthropic/https://www.googleapis.com/auth/cloud-platform"
PATH = "/v1/projects/p-1/locations/global/publishers/anthropic/models/claude%20x@1"


class Signer:
    """Signs with a number that grows, or as slowly or badly as it is told."""

    def __init__(self, error: Exception | None = None, wait_s: float = 0.0) -> None:
        self.signed = 0
        self._error = error
        self._wait_s = wait_s

    async def sign(self, request: UpstreamRequest) -> UpstreamRequest:
        await asyncio.sleep(self._wait_s)
        if self._error is not None:
            raise self._error
        self.signed += 1
        return structs.replace(request, headers=(*request.headers, ("authorization", f"Bearer t{self.signed}")))


def vertex(upstream: FakeUpstream) -> dict[str, Any]:
    """Claude at Vertex AI, moved to an upstream of ours with its path."""
    path = "/v1/projects/{project}/locations/{location}/publishers/anthropic"
    return {"vertex-anthropic": {"base_url": upstream.url + path, "project": "p-1"}}


@pytest.mark.parametrize(("is_stream", "verb"), [(False, "rawPredict"), (True, "streamRawPredict")])
def test_a_call_is_signed_and_has_its_model_in_the_path_alone(tmp_path: Path, is_stream: bool, verb: str):
    async def run() -> None:
        async with FakeUpstream() as upstream, bench(tmp_path, providers=vertex(upstream)) as gateway:
            gateway.engine.signers = {SIGNER: Signer()}
            body = {"model": "vertex-anthropic/claude x@1", "max_tokens": 9, "stream": is_stream}
            message = {"role": "user", "content": "hello"}
            response = await gateway.client.post("/v1/messages?beta=true", json={**body, "messages": [message]})
            assert response.status_code == 200
            (attempt,) = upstream.log
            assert attempt.path == f"{PATH}:{verb}"
            assert attempt.headers["authorization"] == "Bearer t1"
            assert json.loads(attempt.body) == {
                "max_tokens": 9,
                "stream": is_stream,
                "messages": [message],
                "anthropic_version": "vertex-2023-10-16",
            }

    asyncio.run(run())


def test_another_dialects_call_is_translated_and_signed(tmp_path: Path):
    async def run() -> None:
        async with FakeUpstream() as upstream, bench(tmp_path, providers=vertex(upstream)) as gateway:
            gateway.engine.signers = {SIGNER: Signer()}
            response = await gateway.post("openai_chat", "vertex-anthropic/claude x@1")
            assert (response.status_code, text_of("openai_chat", response.content)) == (200, TEXT)
            assert upstream.log[0].path == f"{PATH}:rawPredict"

    asyncio.run(run())


def test_tokens_are_estimated_where_the_paths_are_the_services_own(tmp_path: Path):
    async def run() -> None:
        async with FakeUpstream() as upstream, bench(tmp_path, providers=vertex(upstream)) as gateway:
            body = {"model": "vertex-anthropic/claude", "messages": [{"role": "user", "content": "hello"}]}
            response = await gateway.client.post("/v1/messages/count_tokens", json=body)
            assert (response.status_code, response.headers["x-headgate-estimated"]) == (200, "input_tokens")
            assert upstream.log == []

    asyncio.run(run())


@pytest.mark.parametrize(
    ("signer", "outcome", "told"),
    [
        (Signer(NoToken("Google", "is closed")), Outcome.ACCOUNT, "Google gave no token: is closed"),
        (Signer(wait_s=30), Outcome.SLOW, f"the credential of {SIGNER} did not come within"),
    ],
    ids=["refused", "slow"],
)
def test_a_call_moves_on_when_no_credential_is_to_be_had(tmp_path: Path, signer: Signer, outcome: Outcome, told: str):
    async def run() -> None:
        async with FakeUpstream() as upstream:
            routes = {"both": {"targets": ["vertex-anthropic/claude", "a_anthropic/m"], "timeout_s": 1}}
            async with bench(tmp_path, routes=routes, providers=vertex(upstream)) as gateway:
                gateway.engine.signers = {SIGNER: signer}
                response = await gateway.post("anthropic", "both")
                assert (response.status_code, text_of("anthropic", response.content)) == (200, TEXT)
                record = await gateway.record(response)
                assert [attempt.outcome for attempt in record.attempts] == [outcome, Outcome.OK]
                assert record.attempts[0].message.startswith(told)
                assert upstream.log == []

    asyncio.run(run())


def test_a_count_is_signed_too(tmp_path: Path):
    async def run() -> None:
        async with FakeUpstream() as upstream:
            upstream.reply(b'{"totalTokens": 7}')
            path = "/v1/projects/{project}/locations/{location}/publishers/google"
            providers = {"vertex": {"base_url": upstream.url + path, "project": "p-1"}}
            async with bench(tmp_path, providers=providers) as gateway:
                gateway.engine.signers = {SIGNER.replace("vertex-anthropic", "vertex"): Signer()}
                body = {"contents": [{"role": "user", "parts": [{"text": "hello"}]}]}
                response = await gateway.client.post("/v1beta/models/vertex/gemini-x:countTokens", json=body)
                assert (response.status_code, response.json()) == (200, {"totalTokens": 7})
                (attempt,) = upstream.log
                assert attempt.headers["authorization"] == "Bearer t1"
                assert attempt.path.endswith("/publishers/google/models/gemini-x:countTokens")

    asyncio.run(run())


def test_a_model_that_would_climb_in_the_path_is_refused_before_anything_is_sent(tmp_path: Path):
    async def run() -> None:
        async with FakeUpstream() as upstream, bench(tmp_path, providers=vertex(upstream)) as gateway:
            gateway.engine.signers = {SIGNER: Signer()}
            response = await gateway.post("anthropic", "vertex-anthropic/..")
            assert response.status_code == 400
            assert "cannot be part of a URL" in response.json()["error"]["message"]
            assert upstream.log == []

    asyncio.run(run())


def test_an_engine_signs_for_every_configured_provider(tmp_path: Path):
    async def run() -> None:
        async with FakeUpstream() as upstream, bench(tmp_path, providers=vertex(upstream)) as gateway:
            assert isinstance(gateway.engine, Engine)
            assert set(gateway.engine.signers) == {SIGNER}

    asyncio.run(run())
