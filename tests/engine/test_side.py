"""Side operations over real sockets: what passes, what it costs, what happens when it goes wrong."""

import asyncio
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import httpx2
import pytest

from headgate.core.problems import Outcome
from headgate.core.usage import Measures
from headgate.dialects.registry import DIALECTS
from headgate.transport.fake import (
    BlackHole,
    CutAfter,
    Drip,
    Empty200,
    Fault,
    HtmlBody,
    InBandError,
    MalformedEvent,
    Reset,
    Send,
    StallAfter,
    Status,
)
from headgate.transport.fake.side_voices import SOUND
from tests.engine.harness import Bench, bench
from tests.engine.sending import SECOND, STREAMS, Sending, form_of, json_of, looped, send, sendings, streaming

TOKENS = {"input": "0.15", "output": "0.60"}


def priced(url: str, prices: Mapping[str, Any]) -> dict[str, Any]:
    """The upstream at `url` as a provider `p` with prices of its own."""
    shared = {"base_url": url, "api_key": "none", "prices": prices}
    return {
        "p": {"like": "openai", "speaks": ["openai_chat"], **shared},
        "c": {"like": "cohere", "speaks": ["cohere"], **shared},
        "g": {"like": "gemini", **shared},
    }


@pytest.mark.parametrize("name", sendings(""))
@looped
async def test_the_same_bytes_pass_but_for_the_model(tmp_path: Path, name: str):
    async with bench(tmp_path) as on:
        path, sent = sendings("r_openai_chat")[name]
        request = on.client.build_request("POST", path, **sent)
        request.headers["content-length"] = str(len(request.read()))
        response = await on.client.send(request)
        attempt = on.upstreams["a"].log[0]
        assert response.status_code == 200
        assert attempt.path == path
        if "files" in sent:
            assert attempt.body == request.content.replace(b"r_openai_chat", b"m")
            assert attempt.headers["content-type"] == request.headers["content-type"]
        else:
            assert json.loads(attempt.body) == {**sent["json"], "model": "m"}
        assert attempt.headers["authorization"] == "Bearer upstream-secret"
        record = await on.record(response)
        assert (record.operation, record.model, record.candidates) == (name, "r_openai_chat", ["a_openai_chat/m"])
        assert [(each.lane, each.status) for each in record.attempts] == [("verbatim", 200)]
        assert record.usage is not None


@looped
async def test_a_body_that_names_the_model_already_passes_byte_for_byte(tmp_path: Path):
    body = b'{ "input" : "\\u00e9 \\/" ,\n "model":"a_openai_chat/m", "unheard_of": 1.50 }'
    async with bench(tmp_path, routes={"m": {"targets": ["a_openai_chat/m"]}}) as on:
        for sent in (body, body.replace(b"a_openai_chat/m", b"m")):
            response = await on.client.post("/v1/embeddings", content=sent)
            assert response.status_code == 200
        changed, same = (attempt.body for attempt in on.upstreams["a"].log)
    assert same == body.replace(b"a_openai_chat/m", b"m")
    assert b'"input":"\\u00e9 \\/"' in changed
    assert b'"unheard_of":1.50' in changed


# What it costs, to the nano-dollar

COSTS: list[tuple[str, Mapping[str, Any], Sending, int]] = [
    # four bytes of body are a token at the upstream
    ("tokens of vectors", TOKENS, json_of("/v1/embeddings", model="p/m", input="abcdefgh"), 8 * 150),
    ("searches", {"search": "0.002"}, json_of("/v2/rerank", model="c/m", query="q", documents=["a"]), 2_000_000),
    ("tokens of ranks", TOKENS, json_of("/v1/rerank", model="p/m", query="q", documents=["a"]), 10 * 150),
    # 9 characters: 3 tokens, which nobody tells
    ("a moderation", TOKENS, json_of("/v1/moderations", model="p/m", input="nice text"), 3 * 150),
    ("a completion", TOKENS, json_of("/v1/completions", model="p/m", prompt="once"), 7 * 150 + 9 * 600),
    (
        "a streamed completion",
        TOKENS,
        json_of("/v1/completions", model="p/m", prompt="once", stream=True),
        20 * 150 + 9 * 600,
    ),
    ("pictures", {"image": "0.04"}, json_of("/v1/images/generations", model="p/m", prompt="x", n=3), 120_000_000),
    (
        "tokens of pictures",
        {**TOKENS, "image_input": 1, "image_output": 3},
        json_of("/v1/images/generations", model="p/m", prompt="x", n=2),
        8 * 150 + 2000 * 600,
    ),
    ("characters", {"characters": 15}, json_of("/v1/audio/speech", model="p/m", input="hello", voice="v"), 75_000),
    (
        "tokens of streamed speech",
        TOKENS,
        json_of("/v1/audio/speech", model="p/m", input="hello", voice="v", stream_format="sse"),
        15 * 150 + 80 * 600,
    ),
    (
        "characters of streamed speech",
        {"characters": 15},
        json_of("/v1/audio/speech", model="p/m", input="hello", voice="v", stream_format="sse"),
        75_000,
    ),
    (
        "tokens of sound",
        {**TOKENS, "audio_input": 6},
        form_of("/v1/audio/transcriptions", {"file": SECOND}, model="p/m"),
        3 * 150 + 37 * 6000 + 12 * 600,
    ),
    # the upstream says 7 seconds
    (
        "told seconds",
        {"audio_hour": "0.36"},
        form_of("/v1/audio/translations", {"file": SECOND}, model="p/whisper-1"),
        700_000,
    ),
    # the last line ends at 4.5 seconds
    (
        "subtitles",
        {"audio_hour": "0.36"},
        form_of("/v1/audio/transcriptions", {"file": SECOND}, model="p/m", response_format="srt"),
        450_000,
    ),
    # a WAV of one second and no word of its length
    (
        "plain text",
        {"audio_hour": "0.36"},
        form_of("/v1/audio/transcriptions", {"file": SECOND}, model="p/m", response_format="text"),
        100_000,
    ),
]


@pytest.mark.parametrize(("prices", "sending", "nano_usd"), [row[1:] for row in COSTS], ids=[row[0] for row in COSTS])
@looped
async def test_the_cost(tmp_path: Path, prices: Mapping[str, Any], sending: Sending, nano_usd: int):
    async with bench(tmp_path) as on:
        url = on.upstreams["a"].url
        async with bench(tmp_path / "priced", providers=priced(url, {"*": prices})) as gateway:
            response = await send(gateway, sending)
            assert response.status_code == 200, response.content
            record = await gateway.record(response)
    assert (record.cost_nano_usd, record.is_priced) == (nano_usd, True)
    if not response.headers["content-type"].startswith(("text/event-stream", "audio/")):
        assert float(response.headers["x-headgate-cost-usd"]) == nano_usd / 1e9


@pytest.mark.parametrize("name", sendings(""))
@pytest.mark.parametrize("policy", ["ceiling", "report", "refuse"])
@looped
async def test_what_has_no_price_is_never_free(tmp_path: Path, name: str, policy: str):
    async with bench(tmp_path) as on:
        on.engine.metering._unpriced = type(on.engine.metering._unpriced)(policy=policy)
        on.engine.metering.refuses_unpriced = policy == "refuse"
        response = await send(on, sendings("r_openai_chat")[name])
        record = await on.record(response)
        if policy == "refuse":
            assert (response.status_code, response.json()["error"]["code"]) == (400, "model_not_priced")
            assert on.upstreams["a"].log == []
        else:
            assert response.status_code == 200
            assert not record.is_priced
            assert (record.cost_nano_usd > 0) == (policy == "ceiling")
            assert "x-headgate-cost-usd" not in response.headers


@looped
async def test_a_price_that_lacks_what_was_used_is_held_for_the_rest(tmp_path: Path):
    async with bench(tmp_path) as on:
        made = priced(on.upstreams["a"].url, {"*": {"audio_hour": 1}})
        async with bench(tmp_path / "priced", providers=made) as gateway:
            response = await send(gateway, json_of("/v1/embeddings", model="p/m", input="abcdefgh"))
            record = await gateway.record(response)
    assert (record.cost_nano_usd, record.is_priced) == (8 * 15_000, False)


# Told in other dialects


@looped
async def test_openai_to_cohere_and_back(tmp_path: Path):
    async with bench(tmp_path) as on:
        asked = json_of("/v1/embeddings", model="r_cohere", input=["a", "b"], encoding_format="base64", user="u")
        response = await send(on, asked)
        assert json.loads(on.upstreams["a"].log[0].body)["texts"] == ["a", "b"]
        assert [entry["embedding"] for entry in response.json()["data"]] == ["AACAPgAAAL8AAAA+", "AACgPwAAAL8AAAA+"]
        assert response.json()["usage"] == {"prompt_tokens": 22, "total_tokens": 22}
        assert "user" in response.headers["x-headgate-dropped"]
        record = await on.record(response)
        assert record.attempts[0].lane == "translated"


@pytest.mark.parametrize("dialect", ["openai_chat", "gemini", "cohere", "ollama"])
@looped
async def test_every_dialect_reaches_every_other(tmp_path: Path, dialect: str):
    model = f"r_{dialect}"
    async with bench(tmp_path) as on:
        told = [
            (await send(on, json_of("/v1/embeddings", model=model, input="a"))).json()["data"][0]["embedding"],
            (
                await send(on, json_of(f"/v1beta/models/{model}:embedContent", content={"parts": [{"text": "a"}]}))
            ).json()["embedding"]["values"],
            (
                await send(
                    on,
                    json_of(
                        f"/v1beta/models/{model}:batchEmbedContents",
                        requests=[{"model": f"models/{model}", "content": {"parts": [{"text": "a"}]}}],
                    ),
                )
            ).json()["embeddings"][0]["values"],
            (await send(on, json_of("/v2/embed", model=model, texts=["a"], input_type="search_query"))).json()[
                "embeddings"
            ]["float"][0],
            (await send(on, json_of("/api/embed", model=model, input="a"))).json()["embeddings"][0],
        ]
        assert told == [[0.25, -0.5, 0.125]] * 5
        assert all(b"r_" not in attempt.body for attempt in on.upstreams["a"].log)


@looped
async def test_ranks_are_told_in_either_shape(tmp_path: Path):
    async with bench(tmp_path) as on:
        for path, model in (("/v1/rerank", "r_cohere"), ("/v2/rerank", "r_openai_chat")):
            response = await send(on, json_of(path, model=model, query="q", documents=["a", "b"], top_n=1))
            assert response.json()["results"] == [{"index": 1, "relevance_score": 0.5}]
            assert (await on.record(response)).usage is not None


@looped
async def test_loss_is_refused_where_a_route_says_so(tmp_path: Path):
    async with bench(tmp_path, on_loss="refuse") as on:
        response = await send(on, json_of("/v1/embeddings", model="r_cohere", input="a", user="u"))
        assert response.status_code == 400
        assert "user" in response.json()["error"]["message"]
        assert on.upstreams["a"].log == []


@pytest.mark.parametrize("name", sendings(""))
@looped
async def test_a_model_that_cannot_is_refused_by_name(tmp_path: Path, name: str):
    async with bench(tmp_path, providers={"real": {"like": "openai", "api_key": "none"}}) as on:
        response = await send(on, sendings("r_anthropic")[name])
        assert (response.status_code, response.json()["error"]["code"]) == (400, "unsupported_feature")
        assert "'r_anthropic' cannot" in response.json()["error"]["message"]
        assert on.upstreams["a"].log == []


@looped
async def test_a_chat_model_is_not_asked_for_vectors(tmp_path: Path):
    async with bench(tmp_path, providers={"openai": {"api_key": "none"}}) as on:
        response = await send(on, json_of("/v1/embeddings", model="openai/gpt-4o-mini", input="a"))
        assert (response.status_code, response.json()["error"]["param"]) == (400, "model")


@looped
async def test_what_a_service_does_not_offer_is_not_asked_for(tmp_path: Path):
    async with bench(tmp_path, providers={"openai": {"api_key": "none"}, "cohere": {"api_key": "none"}}) as on:
        ranked = json_of("/v1/rerank", model="openai/gpt-image-1", query="q", documents=["a"])
        response = await send(on, ranked)
        assert (response.status_code, response.json()["error"]["code"]) == (400, "unsupported_feature")
        for name, dialect in (("ranking", "cohere"), ("embeddings", "openai_chat")):
            side = DIALECTS["openai_chat"].sides[name]
            offered = [
                door.dialect
                for door in on.engine.directory.providers["cohere"].doors
                if door.offers(name) and name in DIALECTS[door.dialect].sides
            ]
            assert side.halves is not None
            assert dialect in offered
            assert ("openai_chat" in offered) == (name == "embeddings")


# Failing over before the first byte

EARLY: list[Fault] = [
    Status(status=503),
    Status(status=429),
    Status(status=401),
    Reset(),
    Empty200(),
    HtmlBody(),
    CutAfter(bytes=0),
]


@pytest.mark.parametrize("name", sendings(""))
@pytest.mark.parametrize("fault", EARLY, ids=repr)
@looped
async def test_the_next_one_answers(tmp_path: Path, name: str, fault: Fault):
    async with bench(tmp_path, "ab") as on:
        on.upstreams["a"].fail(fault)
        response = await send(on, sendings("r_openai_chat")[name])
        assert response.status_code == 200, response.content
        assert response.headers["x-headgate-provider"] == "b_openai_chat"
        record = await on.record(response)
        assert [attempt.outcome is Outcome.OK for attempt in record.attempts] == [False, True]
        assert len(on.upstreams["a"].log) == len(on.upstreams["b"].log) == 1


@pytest.mark.parametrize("name", STREAMS)
@pytest.mark.parametrize("fault", [*EARLY, InBandError(index=0), MalformedEvent(index=0)], ids=repr)
@looped
async def test_the_next_one_streams(tmp_path: Path, name: str, fault: Fault):
    async with bench(tmp_path, "ab") as on:
        on.upstreams["a"].fail(fault)
        response = await send(on, streaming(name, "r_openai_chat"))
        assert response.headers["x-headgate-provider"] == "b_openai_chat"
        assert STREAMS[name][1] in response.content
        assert b"error" not in response.content


@looped
async def test_what_an_error_in_place_of_a_stream_has_used_is_booked(tmp_path: Path):
    usage = {"prompt_tokens": 7, "completion_tokens": 3, "total_tokens": 10}
    told = b"data: %b\n\n" % json.dumps({"error": {"message": "overloaded", "code": 503}, "usage": usage}).encode()
    head = b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ncontent-length: %d\r\n\r\n" % len(told)
    async with bench(tmp_path, "ab") as on:
        on.upstreams["a"].script([Send(head + told)])
        record = await on.record(await send(on, streaming("completions", "r_openai_chat")))
        first, second = record.attempts
        assert first.usage is not None
        assert (first.usage.input_tokens, first.usage.output_tokens) == (7, 3)
        assert (first.usage_source, second.outcome) == ("provider_reported", Outcome.OK)
        assert record.cost_nano_usd == first.cost_nano_usd + second.cost_nano_usd


@pytest.mark.parametrize("name", ["embeddings", "image_edits"])
@looped
async def test_a_fault_of_the_call_is_told_as_the_provider_told_it(tmp_path: Path, name: str):
    words = '{"error":{"message":"too odd","type":"invalid_request_error","param":"input","code":"odd"}}'
    async with bench(tmp_path, "ab") as on:
        on.upstreams["a"].fail(Status(status=400, body=words))
        response = await send(on, sendings("r_openai_chat")[name])
        assert (response.status_code, response.text) == (400, words)
        assert on.upstreams["b"].log == []


@looped
async def test_when_all_fail_the_attempts_are_told(tmp_path: Path):
    async with bench(tmp_path, "ab") as on:
        for upstream in on.upstreams.values():
            upstream.fail(Status(status=503))
        response = await send(on, sendings("r_openai_chat")["transcriptions"])
        assert response.status_code == 503
        attempts = response.json()["error"]["metadata"]["attempts"]
        assert [attempt["status"] for attempt in attempts] == [503, 503]


@looped
async def test_a_repeat_on_the_same_one(tmp_path: Path):
    async with bench(tmp_path, "a") as on:
        on.upstreams["a"].fail(Status(status=500), times=1)
        response = await send(on, sendings("r_openai_chat")["speech"])
        assert (response.status_code, response.content) == (200, SOUND)
        assert response.headers["x-headgate-attempts"] == "2"


@looped
async def test_a_deadline(tmp_path: Path):
    async with bench(tmp_path, "a") as on:
        on.upstreams["a"].fail(BlackHole())
        response = await send(on, sendings("r_openai_chat")["embeddings"], **{"x-headgate-timeout-ms": "150"})
        assert response.status_code == 504


# Breaking after it


@pytest.mark.parametrize("name", STREAMS)
@pytest.mark.parametrize("is_reset", [False, True])
@looped
async def test_a_stream_that_breaks_says_so(tmp_path: Path, name: str, is_reset: bool):
    place = STREAMS[name][2]
    async with bench(tmp_path, "ab") as on:
        on.upstreams["a"].fail(Reset(after_bytes=place) if is_reset else CutAfter(bytes=place))
        response = await send(on, streaming(name, "r_openai_chat"))
        record = await on.record(response)
        assert response.status_code == 200
        last = response.content.strip().rpartition(b"data: ")[2]
        assert json.loads(last)["error"]["message"]
        assert STREAMS[name][1] not in response.content
        assert record.outcome is not Outcome.OK
        assert record.usage is not None
        assert record.cost_nano_usd > 0
        assert on.upstreams["b"].log == []


@pytest.mark.parametrize("name", STREAMS)
@looped
async def test_an_error_within_a_stream_is_passed_on_once(tmp_path: Path, name: str):
    first = b'data: {"type":"some.delta","delta":"a","choices":[{"index":0,"text":"a"}]}\n\n'
    told = b'event: error\ndata: {"type":"error","error":{"message":"Overloaded","type":"server_error"}}\n\n'
    async with bench(tmp_path, "ab") as on:
        on.upstreams["a"].stream([first, told], gap_s=0.05)
        response = await send(on, streaming(name, "r_openai_chat"))
        record = await on.record(response)
        assert response.content == first + told
        assert record.outcome is Outcome.OVERLOAD or record.outcome is Outcome.SERVER
        assert record.error == "Overloaded"


@looped
async def test_a_stream_that_ends_in_order_but_too_early(tmp_path: Path):
    first = b'data: {"type":"transcript.text.delta","delta":"abcd"}\n\n'
    async with bench(tmp_path, "a") as on:
        on.upstreams["a"].stream([first])
        response = await send(on, streaming("transcriptions", "r_openai_chat"))
        record = await on.record(response)
        assert response.content.startswith(first + b"event: error\n")
        assert record.outcome is Outcome.CUT


@looped
async def test_sound_that_breaks_off_is_not_taken_for_whole(tmp_path: Path):
    async with bench(tmp_path, "ab") as on:
        on.upstreams["a"].fail(CutAfter(bytes=400))
        with pytest.raises(httpx2.RemoteProtocolError):
            await send(on, sendings("r_openai_chat")["speech"])
        assert on.upstreams["b"].log == []


@pytest.mark.parametrize("name", ["speech", "completions", "image_generations"])
@looped
async def test_a_client_that_leaves_ends_the_upstream(tmp_path: Path, name: str):
    async with bench(tmp_path, "a") as on:
        on.upstreams["a"].fail(StallAfter(bytes=300))
        path, sent = streaming(name, "r_openai_chat") if name != "speech" else sendings("r_openai_chat")[name]
        async with on.client.stream("POST", path, **sent) as response:
            async for _ in response.aiter_raw():
                break
        record = await ended(on, response)
        assert record.outcome is Outcome.CLIENT_GONE
        assert record.usage is not None
        assert record.cost_nano_usd > 0
        await eventually_closed(on)


@looped
async def test_a_client_that_leaves_before_a_whole_answer_ends_the_upstream(tmp_path: Path):
    async with bench(tmp_path, "a") as on:
        on.upstreams["a"].fail(BlackHole())
        path, sent = sendings("r_openai_chat")["image_generations"]
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.3):
                await on.client.post(path, **sent)
        await eventually_closed(on)


async def ended(on: Bench, response: httpx2.Response) -> Any:
    for _ in range(200):
        found = await on.core.calls.find(response.headers["x-headgate-request-id"])
        if found is not None:
            return found
        await asyncio.sleep(0.02)
    raise AssertionError("the call was not written down")


async def eventually_closed(on: Bench) -> None:
    for _ in range(200):
        if on.upstreams["a"].log and on.upstreams["a"].log[0].closed_early:
            return
        await asyncio.sleep(0.02)
    raise AssertionError("the upstream's connection stayed open")


# Streams


@pytest.mark.parametrize("name", STREAMS)
@looped
async def test_a_stream_passes_as_it_comes(tmp_path: Path, name: str):
    async with bench(tmp_path, "a") as on:
        on.upstreams["a"].fail(Drip(gap_s=0.02))
        response = await send(on, streaming(name, "r_openai_chat"))
        record = await on.record(response)
        assert response.headers["content-type"].startswith("text/event-stream")
        assert STREAMS[name][1] in response.content
        assert record.is_stream
        assert record.usage_source == "provider_reported"
        assert record.ttft_ms is not None


@looped
async def test_a_second_picture_may_take_its_time(tmp_path: Path):
    """Longer than a stream may stay open after its last event."""
    done = (
        b'data: {"type":"image_generation.completed","b64_json":"x","usage":{"input_tokens":1,"output_tokens":9}}\n\n'
    )
    async with bench(tmp_path, "a") as on:
        on.upstreams["a"].stream([done, done], gap_s=1.2)
        response = await send(on, streaming("image_generations", "r_openai_chat"))
        record = await on.record(response)
        assert response.content == done + done
        assert record.usage is not None
        assert record.usage.measures == Measures(images=2)


@looped
async def test_a_stream_that_stays_open_after_its_end_is_let_go(tmp_path: Path):
    done = b'data: {"type":"transcript.text.done","text":"x","usage":{"input_tokens":1,"output_tokens":9}}\n\n'
    async with bench(tmp_path, "a") as on:
        on.upstreams["a"].stream([done, b": still here\n\n"], gap_s=60)
        response = await send(on, streaming("transcriptions", "r_openai_chat"))
        record = await on.record(response)
        assert response.content == done
        assert (record.outcome, record.attempts[0].outcome) == (Outcome.OK, Outcome.OK)
        await eventually_closed(on)


@looped
async def test_usage_that_was_not_asked_for_is_not_shown(tmp_path: Path):
    async with bench(tmp_path, "a") as on:
        plain = await send(on, streaming("completions", "r_openai_chat"))
        path, sent = streaming("completions", "r_openai_chat")
        sent["json"]["stream_options"] = {"include_usage": True}
        asked = await send(on, (path, sent))
        assert b"usage" not in plain.content
        assert b'"usage":{' in asked.content
        for response in (plain, asked):
            record = await on.record(response)
            assert record.usage is not None
            assert record.usage.output_tokens == 9


@looped
async def test_sound_is_not_held_back(tmp_path: Path):
    async with bench(tmp_path, "a") as on:
        on.upstreams["a"].fail(Drip(gap_s=0.05))
        path, sent = sendings("r_openai_chat")["speech"]
        async with on.client.stream("POST", path, **sent) as response:
            pieces = [piece async for piece in response.aiter_raw()]
        assert b"".join(pieces) == SOUND
        assert len(pieces) > 1
        assert response.headers["content-type"] == "audio/mpeg"
        record = await on.record(response)
        assert record.usage is not None
        assert record.usage.measures == Measures(characters=5)
        assert record.streamed_bytes == len(SOUND)


# Wishes and names


@looped
async def test_wishes_are_heard_and_go_no_further(tmp_path: Path):
    async with bench(tmp_path, "ab") as on:
        wished = {"provider": {"order": ["b_openai_chat"]}, "models": ["b_openai_chat/m"]}
        response = await send(on, json_of("/v1/embeddings", model="r_openai_chat", input="a", **wished))
        assert response.headers["x-headgate-provider"] == "b_openai_chat"
        assert json.loads(on.upstreams["b"].log[0].body) == {"model": "m", "input": "a"}


@looped
async def test_the_paths_of_azures_clients(tmp_path: Path):
    async with bench(tmp_path, "a") as on:
        response = await on.client.post(
            "/openai/deployments/r_openai_chat/embeddings?api-version=2024-10-21", json={"input": "a"}
        )
        assert response.status_code == 200
        assert json.loads(on.upstreams["a"].log[0].body) == {"input": "a", "model": "m"}
