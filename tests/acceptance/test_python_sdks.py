"""The vendors' own Python SDKs against a running gateway, through every upstream dialect."""

import json

import anthropic
import openai
import pytest
from google import genai
from google.genai import errors as google_errors

from tests.acceptance.running import VIAS, Gateway

HELLO = [{"role": "user", "content": "say pong"}]
SCHEMA = {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]}
OPENAI_TOOL = {"type": "function", "function": {"name": "weather", "parameters": SCHEMA}}
ANTHROPIC_TOOL = {"name": "weather", "input_schema": SCHEMA}
CUTS = ["cut-openai", "cut-anthropic", "cut-gemini"]


@pytest.fixture
def openai_client(running: Gateway):
    with openai.OpenAI(base_url=f"{running.url}/v1", api_key=running.key, max_retries=0) as client:
        yield client


@pytest.fixture
def anthropic_client(running: Gateway):
    with anthropic.Anthropic(base_url=running.url, api_key=running.key, max_retries=0) as client:
        yield client


@pytest.fixture
def google_client(running: Gateway):
    with genai.Client(api_key=running.key, http_options={"base_url": running.url}) as client:
        yield client


@pytest.mark.parametrize("model", VIAS)
def test_openai_chat(openai_client: openai.OpenAI, model: str):
    answer = openai_client.chat.completions.create(model=model, messages=HELLO)
    assert answer.choices[0].message.content == "say pong"
    assert answer.choices[0].finish_reason == "stop"
    assert answer.usage.total_tokens > 0
    options = {"include_usage": True}
    chunks = list(
        openai_client.chat.completions.create(model=model, messages=HELLO, stream=True, stream_options=options)
    )
    assert "".join(chunk.choices[0].delta.content or "" for chunk in chunks if chunk.choices) == "say pong"
    assert [chunk.choices[0].finish_reason for chunk in chunks if chunk.choices][-1] == "stop"
    assert chunks[-1].usage.total_tokens > 0


@pytest.mark.parametrize("model", VIAS)
def test_openai_chat_stream_shows_no_usage_unasked(openai_client: openai.OpenAI, model: str):
    chunks = list(openai_client.chat.completions.create(model=model, messages=HELLO, stream=True))
    assert all(chunk.choices for chunk in chunks)


@pytest.mark.parametrize("model", VIAS)
def test_openai_tools(openai_client: openai.OpenAI, model: str):
    ask = [{"role": "user", "content": "call weather"}]
    answer = openai_client.chat.completions.create(model=model, messages=ask, tools=[OPENAI_TOOL])
    called = answer.choices[0].message.tool_calls[0]
    assert answer.choices[0].finish_reason == "tool_calls"
    assert called.function.name == "weather"
    assert isinstance(json.loads(called.function.arguments), dict)
    pieces = ""
    for chunk in openai_client.chat.completions.create(model=model, messages=ask, tools=[OPENAI_TOOL], stream=True):
        for call in (chunk.choices[0].delta.tool_calls or []) if chunk.choices else []:
            pieces += call.function.arguments or ""
    assert json.loads(pieces) == json.loads(called.function.arguments)
    turn = answer.choices[0].message.model_dump(exclude_none=True)
    result = {"role": "tool", "tool_call_id": called.id, "content": "sunny"}
    again = openai_client.chat.completions.create(model=model, messages=[*ask, turn, result], tools=[OPENAI_TOOL])
    assert again.choices[0].finish_reason == "stop"


@pytest.mark.parametrize("model", VIAS)
def test_openai_responses(openai_client: openai.OpenAI, model: str):
    assert openai_client.responses.create(model=model, input="say pong").output_text == "say pong"
    events = list(openai_client.responses.create(model=model, input="say pong", stream=True))
    assert events[0].type == "response.created"
    assert events[-1].type == "response.completed"
    assert events[-1].response.output_text == "say pong"
    assert [event.sequence_number for event in events] == list(range(len(events)))


@pytest.mark.parametrize("model", VIAS)
def test_anthropic_messages(anthropic_client: anthropic.Anthropic, model: str):
    answer = anthropic_client.messages.create(model=model, max_tokens=64, messages=HELLO)
    assert (answer.content[0].text, answer.stop_reason) == ("say pong", "end_turn")
    with anthropic_client.messages.stream(model=model, max_tokens=64, messages=HELLO) as stream:
        assert stream.get_final_text() == "say pong"
        assert stream.get_final_message().usage.output_tokens > 0


@pytest.mark.parametrize("model", VIAS)
def test_anthropic_tools(anthropic_client: anthropic.Anthropic, model: str):
    ask = [{"role": "user", "content": "call weather"}]
    with anthropic_client.messages.stream(
        model=model, max_tokens=64, messages=ask, tools=[ANTHROPIC_TOOL], system="Be brief."
    ) as stream:
        message = stream.get_final_message()
    called = next(block for block in message.content if block.type == "tool_use")
    assert (message.stop_reason, called.name) == ("tool_use", "weather")
    result = {"type": "tool_result", "tool_use_id": called.id, "content": "sunny"}
    turns = [
        *ask,
        {"role": "assistant", "content": [block.model_dump(exclude_none=True) for block in message.content]},
        {"role": "user", "content": [result, {"type": "text", "text": "thanks"}]},
    ]
    again = anthropic_client.messages.create(model=model, max_tokens=64, messages=turns, tools=[ANTHROPIC_TOOL])
    assert again.content[0].text == "thanks"


@pytest.mark.parametrize("model", VIAS)
def test_anthropic_count_tokens(anthropic_client: anthropic.Anthropic, model: str):
    assert anthropic_client.messages.count_tokens(model=model, messages=HELLO).input_tokens > 0


@pytest.mark.parametrize("model", VIAS)
def test_google(google_client: genai.Client, model: str):
    assert google_client.models.generate_content(model=model, contents="say pong").text == "say pong"
    chunks = google_client.models.generate_content_stream(model=model, contents="say pong")
    assert "".join(chunk.text or "" for chunk in chunks) == "say pong"
    assert google_client.models.count_tokens(model=model, contents="say pong").total_tokens > 0


def test_every_sdk_lists_the_models(
    openai_client: openai.OpenAI, anthropic_client: anthropic.Anthropic, google_client: genai.Client
):
    assert set(VIAS) <= {model.id for model in openai_client.models.list()}
    assert set(VIAS) <= {model.id for model in anthropic_client.models.list()}
    assert {f"models/{name}" for name in VIAS} <= {model.name for model in google_client.models.list()}


def test_errors_are_each_sdks_own(
    openai_client: openai.OpenAI, anthropic_client: anthropic.Anthropic, google_client: genai.Client
):
    with pytest.raises(openai.NotFoundError) as caught:
        openai_client.chat.completions.create(model="via-opneai", messages=HELLO)
    assert caught.value.code == "model_not_found"
    assert "via-openai" in caught.value.message
    with pytest.raises(anthropic.NotFoundError) as refused:
        anthropic_client.messages.create(model="nope", max_tokens=1, messages=HELLO)
    assert refused.value.body["error"]["type"] == "not_found_error"
    with pytest.raises(google_errors.ClientError) as told:
        google_client.models.generate_content(model="nope", contents="hi")
    assert (told.value.code, told.value.status) == (404, "NOT_FOUND")


@pytest.mark.parametrize("model", CUTS)
def test_no_sdk_takes_a_broken_stream_for_a_whole(
    openai_client: openai.OpenAI, anthropic_client: anthropic.Anthropic, google_client: genai.Client, model: str
):
    with pytest.raises(openai.APIError):
        list(openai_client.chat.completions.create(model=model, messages=HELLO, stream=True))
    with (
        pytest.raises(anthropic.APIError),
        anthropic_client.messages.stream(model=model, max_tokens=9, messages=HELLO) as stream,
    ):
        stream.get_final_text()
    with pytest.raises((google_errors.APIError, ValueError)):
        list(google_client.models.generate_content_stream(model=model, contents="hi"))


def test_what_a_call_cost_can_be_asked_later(running: Gateway, openai_client: openai.OpenAI):
    raw = openai_client.chat.completions.with_raw_response.create(model="via-anthropic", messages=HELLO)
    told = running.get(f"/v1/generations/{raw.headers['x-headgate-request-id']}")
    assert told["cost_usd"] == raw.headers["x-headgate-cost-usd"]
    assert told["attempts"][0]["lane"] == "translated"
    other = running.run("keys", "create", "--name", "other").strip()
    with pytest.raises(OSError, match="404"):
        running.get(f"/v1/generations/{raw.headers['x-headgate-request-id']}", key=other)
