"""The vendors' own Python SDKs on the endpoints beside chat: at the demo, and at an upstream whose log is the judge."""

import base64
import http.client
import json
from collections.abc import Iterator
from contextlib import closing
from typing import NamedTuple

import cohere
import httpx2
import openai
import pytest
from google import genai

from headgate.app.demo_sides import PICTURE, hum
from headgate.transport.fake import CutAfter, Drip, FakeUpstream, Status
from headgate.transport.fake.side_voices import SOUND
from headgate.transport.fake.upstream import TEXT
from tests.acceptance.calling import eventually, recorded
from tests.acceptance.running import Gateway, demos, gateway

PRICES = {"*": {"input": "0.10", "output": "0.40", "audio_hour": "0.36", "characters": 15, "search": "0.002"}}
DEMOS = ("demo_openai_chat", "demo_gemini", "demo_cohere", "demo_ollama")


class Scene(NamedTuple):
    """A gateway before the demo and two upstreams, the first of which a route tries first."""

    gateway: Gateway
    first: FakeUpstream
    second: FakeUpstream

    def cost(self) -> int:
        """Of the newest call, in nano-USD."""
        return recorded(self.gateway, "limit=1")[0]["cost_nano_usd"]


@pytest.fixture(scope="module")
def scene(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Scene]:
    with FakeUpstream.threaded() as first, FakeUpstream.threaded() as second:
        providers = {
            f"{name}_{dialect}": {
                "like": like,
                "speaks": [dialect],
                "base_url": upstream.url,
                "api_key": "none",
                "prices": PRICES,
            }
            for name, upstream in (("up", first), ("next", second))
            for dialect, like in (("openai_chat", "openai"), ("cohere", "cohere"), ("gemini", "gemini"))
        }
        beside = {f"demo_{name}": {"like": "demo", "speaks": [name]} for name in ("cohere", "ollama")}
        routes = {"both": {"targets": ["up_openai_chat/m", "next_openai_chat/m"]}}
        config = {"providers": {**demos(), **beside, **providers}, "routes": routes}
        with gateway(tmp_path_factory.mktemp("gateway"), config) as started:
            yield Scene(started, first, second)


@pytest.fixture(autouse=True)
def healed(scene: Scene) -> None:
    scene.first.heal()
    scene.first.full_log.clear()
    scene.second.full_log.clear()


@pytest.fixture
def client(scene: Scene) -> Iterator[openai.OpenAI]:
    with openai.OpenAI(base_url=f"{scene.gateway.url}/v1", api_key=scene.gateway.key, max_retries=0) as made:
        yield made


# Embeddings


@pytest.mark.parametrize("provider", DEMOS)
def test_openai_embeddings(client: openai.OpenAI, provider: str):
    """Without an encoding the SDK asks for base64, and reads it."""
    model = f"{provider}/echo"
    packed = client.embeddings.create(model=model, input=["a red fox", "the red fox", "taxes"])
    plain = client.embeddings.create(model=model, input=["a red fox", "the red fox", "taxes"], encoding_format="float")
    first, *others = (entry.embedding for entry in plain.data)
    near, far = (sum(a * b for a, b in zip(first, other, strict=True)) for other in others)
    assert near > far
    assert packed.data[2].embedding == pytest.approx(plain.data[2].embedding, abs=1e-6)
    assert plain.usage.prompt_tokens > 0
    assert len(client.embeddings.create(model=model, input="x", dimensions=8).data[0].embedding) == 8


def test_openai_embeddings_of_tokens(client: openai.OpenAI, scene: Scene):
    for tokens in ([1, 2, 3], [[1, 2], [3]]):
        answer = client.embeddings.create(model="up_openai_chat/m", input=tokens, dimensions=3, user="someone")
        assert answer.data[0].embedding == [0.25, -0.5, 0.125]
        sent = json.loads(scene.first.log[-1].body)
        assert sent == {
            "model": "m",
            "input": tokens,
            "dimensions": 3,
            "user": "someone",
            "encoding_format": "base64",
        }
    with pytest.raises(openai.BadRequestError, match="tokens"):
        client.embeddings.create(model="up_cohere/m", input=[1, 2, 3])


@pytest.mark.parametrize("provider", DEMOS)
def test_google_embeddings(scene: Scene, provider: str):
    options = {"base_url": scene.gateway.url}
    with genai.Client(api_key=scene.gateway.key, http_options=options) as client:
        answer = client.models.embed_content(model=f"{provider}/echo", contents=["one", "two"])
        assert answer.embeddings is not None
        assert len(answer.embeddings) == 2
        assert all(len(vector.values or ()) == 256 for vector in answer.embeddings)


def test_google_embeddings_upstream(scene: Scene):
    options = {"base_url": scene.gateway.url}
    with genai.Client(api_key=scene.gateway.key, http_options=options) as client:
        client.models.embed_content(model="up_gemini/m", contents="one", config={"task_type": "RETRIEVAL_QUERY"})
    attempt = scene.first.log[0]
    assert attempt.path == "/v1beta/models/m:batchEmbedContents"
    assert json.loads(attempt.body)["requests"][0]["model"] == "models/m"
    assert b"up_gemini" not in attempt.body


@pytest.mark.parametrize("provider", DEMOS)
def test_cohere_embeddings(scene: Scene, provider: str):
    with cohere.ClientV2(api_key=scene.gateway.key, base_url=scene.gateway.url) as client:
        answer = client.embed(
            model=f"{provider}/echo", texts=["one", "two"], input_type="search_document", embedding_types=["float"]
        )
    assert [len(vector) for vector in answer.embeddings.float_ or ()] == [256, 256]


# Ranking


@pytest.mark.parametrize("provider", ["demo_openai_chat", "demo_cohere"])
def test_cohere_rerank(scene: Scene, provider: str):
    with cohere.ClientV2(api_key=scene.gateway.key, base_url=scene.gateway.url) as client:
        answer = client.rerank(
            model=f"{provider}/echo", query="red fox", documents=["a blue whale", "one red fox", "the red sea"], top_n=2
        )
    assert [result.index for result in answer.results] == [1, 2]
    with cohere.Client(api_key=scene.gateway.key, base_url=scene.gateway.url) as older:
        again = older.rerank(model=f"{provider}/echo", query="red fox", documents=["a blue whale", "one red fox"])
    assert [result.index for result in again.results] == [1, 0]


def test_cohere_rerank_is_billed_by_the_search(scene: Scene):
    with cohere.ClientV2(api_key=scene.gateway.key, base_url=scene.gateway.url) as client:
        client.rerank(model="up_cohere/m", query="q", documents=["a", "b"])
    assert json.loads(scene.first.log[0].body) == {"model": "m", "query": "q", "documents": ["a", "b"]}
    assert scene.cost() == 2_000_000


# Moderations and completions


@pytest.mark.parametrize("model", ["demo/echo", "up_openai_chat/m"])
def test_openai_moderations(client: openai.OpenAI, model: str):
    answer = client.moderations.create(model=model, input=["one", "two"])
    assert [result.flagged for result in answer.results] == [False, False]


@pytest.mark.parametrize(("model", "text"), [("demo/echo", "say pong"), ("up_openai_chat/m", TEXT)])
def test_openai_completions(client: openai.OpenAI, model: str, text: str):
    whole = client.completions.create(model=model, prompt="say pong")
    assert (whole.choices[0].text, whole.choices[0].finish_reason) == (text, "stop")
    assert whole.usage is not None
    chunks = list(client.completions.create(model=model, prompt="say pong", stream=True))
    assert "".join(chunk.choices[0].text for chunk in chunks) == text
    assert all(chunk.usage is None for chunk in chunks)
    options = {"include_usage": True}
    told = list(client.completions.create(model=model, prompt="say pong", stream=True, stream_options=options))
    assert told[-1].usage is not None
    assert told[-1].usage.completion_tokens > 0


# Pictures


@pytest.mark.parametrize("model", ["demo/echo", "up_openai_chat/m"])
def test_openai_images(client: openai.OpenAI, model: str):
    answer = client.images.generate(model=model, prompt="a fox", n=2, size="1024x1024")
    assert len(answer.data or ()) == 2
    assert answer.usage is not None
    assert answer.usage.output_tokens > 0
    kinds = [event.type for event in client.images.generate(model=model, prompt="a fox", stream=True, partial_images=1)]
    assert kinds == ["image_generation.partial_image", "image_generation.completed"]


@pytest.mark.parametrize("model", ["demo/echo", "up_openai_chat/m"])
def test_openai_edits(client: openai.OpenAI, scene: Scene, model: str):
    picture = base64.b64decode(PICTURE)
    files = [("a.png", picture, "image/png"), ("b.png", picture, "image/png")]
    answer = client.images.edit(model=model, image=files, mask=files[0], prompt="a fox, and his tail", n=1)
    assert len(answer.data or ()) == 1
    with pytest.warns(DeprecationWarning, match="deprecated"):
        assert client.images.create_variation(model=model, image=files[0]).data
    if model != "demo/echo":
        edited = scene.first.log[0]
        assert edited.body.count(picture) == 3
        assert b"up_openai_chat" not in edited.body
        kinds = [event.type for event in client.images.edit(model=model, image=files[0], prompt="x", stream=True)]
        assert kinds == ["image_edit.partial_image", "image_edit.completed"]


# Sound


@pytest.mark.parametrize(("model", "sound"), [("demo/echo", hum(9)), ("up_openai_chat/m", SOUND)])
def test_openai_speech(client: openai.OpenAI, scene: Scene, model: str, sound: bytes):
    assert client.audio.speech.create(model=model, input="say pong!", voice="alloy").read() == sound
    if model != "demo/echo":
        assert scene.cost() == 9 * 15_000
    with client.audio.speech.with_streaming_response.create(model=model, input="say pong!", voice="alloy") as answer:
        assert b"".join(answer.iter_bytes()) == sound
    with client.audio.speech.with_streaming_response.create(
        model=model, input="say pong!", voice="alloy", stream_format="sse"
    ) as answer:
        lines = [json.loads(line[6:]) for line in answer.iter_lines() if line.startswith("data: ")]
    assert lines[-1]["type"] == "speech.audio.done"


@pytest.mark.parametrize("model", ["demo/echo", "up_openai_chat/whisper-1"])
def test_openai_transcripts(client: openai.OpenAI, scene: Scene, model: str):
    sound = ("a.wav", hum(60), "audio/wav")
    expected = "The demo heard" if model == "demo/echo" else TEXT
    assert client.audio.transcriptions.create(model=model, file=sound).text.startswith(expected)
    with pytest.warns(DeprecationWarning, match="deprecated"):
        assert client.audio.translations.create(model=model, file=sound).text.startswith(expected)
    if model != "demo/echo":
        assert scene.cost() == 700_000  # 7 s at USD 0.36 an hour
    for form in ("text", "srt", "vtt"):
        assert expected in client.audio.transcriptions.create(model=model, file=sound, response_format=form)
    detailed = client.audio.transcriptions.create(model=model, file=sound, response_format="verbose_json")
    assert float(detailed.duration) > 0
    events = list(client.audio.transcriptions.create(model=model, file=sound, stream=True))
    assert events[-1].type == "transcript.text.done"
    assert events[-1].text.startswith(expected)


# What goes wrong


def test_failover_and_the_cost_of_it(client: openai.OpenAI, scene: Scene):
    scene.first.fail(Status(status=503))
    raw = client.audio.transcriptions.with_raw_response.create(model="both", file=("a.wav", hum(15), "audio/wav"))
    assert raw.headers["x-headgate-provider"] == "next_openai_chat"
    told = scene.gateway.get(f"/v1/generations/{raw.headers['x-headgate-request-id']}")
    assert [attempt["outcome"] for attempt in told["attempts"]] == ["overload", "ok"]
    assert told["operation"] == "transcriptions"
    assert told["usage"]["input_tokens"] == 40


def test_an_upstreams_error_is_the_sdks_own(client: openai.OpenAI, scene: Scene):
    words = '{"error":{"message":"no such size","type":"invalid_request_error","param":"size","code":"invalid_value"}}'
    scene.first.fail(Status(status=400, body=words))
    with pytest.raises(openai.BadRequestError) as caught:
        client.images.generate(model="both", prompt="a fox", size="1x1")
    assert (caught.value.param, caught.value.code) == ("size", "invalid_value")
    assert scene.second.log == []


def test_sound_that_breaks_off_is_not_taken_for_whole(client: openai.OpenAI, scene: Scene):
    scene.first.fail(CutAfter(bytes=400))
    with pytest.raises((openai.APIConnectionError, httpx2.RemoteProtocolError)):
        client.audio.speech.create(model="both", input="say pong!", voice="alloy").read()
    assert scene.second.log == []
    eventually(lambda: recorded(scene.gateway, "limit=1")[0]["outcome"] == "cut")


def test_a_client_that_hangs_up_ends_the_upstream(scene: Scene):
    scene.first.fail(Drip(gap_s=0.5))
    body = json.dumps({"model": "up_openai_chat/m", "input": "hello", "voice": "alloy"})
    with closing(http.client.HTTPConnection(scene.gateway.url.removeprefix("http://"), timeout=20)) as connection:
        connection.request("POST", "/v1/audio/speech", body, {"authorization": f"Bearer {scene.gateway.key}"})
        response = connection.getresponse()
        assert response.read(64) == SOUND[:64]
        response.close()
    eventually(lambda: scene.first.log[0].closed_early)
    eventually(lambda: recorded(scene.gateway, "limit=1")[0]["outcome"] == "client_gone")
    assert scene.cost() == 5 * 15_000
