"""OpenAI's clients embed and rank at services whose APIs for that are their own."""

from pathlib import Path

from headgate.transport.fake import FakeUpstream
from tests.engine.harness import bench
from tests.engine.sending import looped

VERTEX = "/v1/projects/p/locations/global/publishers/google/models/gemini-embedding-001:predict"


@looped
async def test_openais_embeddings_at_bedrock_and_vertex(tmp_path: Path):
    async with FakeUpstream() as upstream:
        at = {"base_url": upstream.url, "api_key": "none"}
        providers = {
            "rock": {"like": "bedrock", **at},
            "vertex": {"like": "vertex", "project": "p", **at},
        }
        async with bench(tmp_path, providers=providers) as on:
            titan = b'{"embedding":[0.5,0.25],"inputTextTokenCount":7}'
            upstream.reply(titan, path="/model/amazon.titan-embed-text-v2%3A0/invoke")
            got = await on.client.post(
                "/v1/embeddings", json={"model": "rock/amazon.titan-embed-text-v2:0", "input": "a", "dimensions": 256}
            )

            assert got.status_code == 200, got.text
            assert got.json()["data"][0]["embedding"] == [0.5, 0.25]
            assert got.json()["usage"]["prompt_tokens"] == 7
            assert upstream.log[0].body == b'{"inputText":"a","dimensions":256}'
            record = await on.record(got)
            assert record.usage is not None
            assert (record.usage.input_tokens, record.usage_source) == (7, "provider_reported")

            ranked = b'{"results":[{"index":1,"relevance_score":0.75}]}'
            upstream.reply(ranked, path="/model/cohere.rerank-v3-5%3A0/invoke")
            got = await on.client.post(
                "/v1/rerank", json={"model": "rock/cohere.rerank-v3-5:0", "query": "q", "documents": ["x", "y"]}
            )
            assert got.status_code == 200, got.text
            assert got.json()["results"] == [{"index": 1, "relevance_score": 0.75}]

            refused = await on.client.post(
                "/v1/embeddings", json={"model": "rock/amazon.titan-embed-text-v2:0", "input": ["a", "b"]}
            )
            assert (refused.status_code, refused.json()["error"]["param"]) == (400, "input")
            assert "one text in a call" in refused.json()["error"]["message"]

            predicted = b'{"predictions":[{"embeddings":{"values":[0.5],"statistics":{"token_count":3}}}]}'
            upstream.reply(predicted, path=VERTEX)
            for path, body in (
                ("/v1/embeddings", {"model": "vertex/gemini-embedding-001", "input": "a"}),
                ("/v1beta/models/vertex/gemini-embedding-001:embedContent", {"content": {"parts": [{"text": "a"}]}}),
            ):
                got = await on.client.post(path, json=body)
                assert got.status_code == 200, got.text
                assert upstream.log[-1].body == b'{"instances":[{"content":"a"}]}'
                record = await on.record(got)
                assert record.usage is not None
                assert record.usage.input_tokens == 3
            assert got.json()["embedding"]["values"] == [0.5]


@looped
async def test_tokens_that_only_a_header_field_tells_are_booked(tmp_path: Path):
    async with FakeUpstream() as upstream:
        providers = {"rock": {"like": "bedrock", "base_url": upstream.url, "api_key": "none"}}
        async with bench(tmp_path, providers=providers) as on:
            for count, booked in (("19", (19, False)), ("lots", (1, True))):
                upstream.reply(
                    b'{"embeddings":[[0.5,0.25]],"response_type":"embeddings_floats"}',
                    path="/model/cohere.embed-english-v3/invoke",
                    headers=(("X-Amzn-Bedrock-Input-Token-Count", count),),
                )
                got = await on.client.post(
                    "/v1/embeddings", json={"model": "rock/cohere.embed-english-v3", "input": "a"}
                )
                assert got.status_code == 200, got.text
                usage = (await on.record(got)).usage
                assert usage is not None
                assert (usage.input_tokens, usage.is_estimated) == booked


@looped
async def test_an_answer_that_cannot_be_told_home_is_paid_for(tmp_path: Path):
    async with FakeUpstream() as upstream:
        providers = {"rock": {"like": "bedrock", "base_url": upstream.url, "api_key": "none"}}
        async with bench(tmp_path, providers=providers) as on:
            unreadable = b'{"embedding":"not numbers","inputTextTokenCount":7}'
            upstream.reply(unreadable, path="/model/amazon.titan-embed-text-v2%3A0/invoke")
            got = await on.client.post(
                "/v1/embeddings", json={"model": "rock/amazon.titan-embed-text-v2:0", "input": "a"}
            )
            assert got.status_code == 502, got.text
            record = await on.record(got)

    (attempt,) = record.attempts
    assert attempt.usage is not None
    assert (attempt.usage.input_tokens, attempt.usage_source) == (7, "provider_reported")
    assert record.cost_nano_usd == attempt.cost_nano_usd == 140
