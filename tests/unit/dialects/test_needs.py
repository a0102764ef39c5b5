"""What a model must be able to do: the quick look sees the same as the whole reading, in every dialect."""

import json

import pytest

from headgate.core.needs import Ability, Needs, needs_of
from headgate.dialects.base import Envelope
from headgate.dialects.registry import DIALECTS

PIXEL = "iVBORw0KGgo="
TOOL = {"name": "add", "description": "d"}


def chat(*parts: object, **members: object) -> dict[str, object]:
    content = [{"type": "text", "text": "hi"}, *parts]
    return {"model": "m", "messages": [{"role": "user", "content": content}], **members}


def claude(*blocks: object, **members: object) -> dict[str, object]:
    content = [{"type": "text", "text": "hi"}, *blocks]
    return {"model": "m", "max_tokens": 2000, "messages": [{"role": "user", "content": content}], **members}


def response(*parts: object, **members: object) -> dict[str, object]:
    content = [{"type": "input_text", "text": "hi"}, *parts]
    return {"model": "m", "input": [{"role": "user", "content": content}], **members}


def gemini(*parts: object, **members: object) -> dict[str, object]:
    return {"contents": [{"role": "user", "parts": [{"text": "hi"}, *parts]}], **members}


IMAGE = {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": PIXEL}}
DOCUMENT = {"type": "document", "source": {"type": "base64", "media_type": "application/pdf", "data": PIXEL}}
PLAIN = {"type": "document", "source": {"type": "text", "media_type": "text/plain", "data": "a"}}
CALL = {"role": "assistant", "content": [{"type": "tool_use", "id": "t", "name": "add", "input": {}}]}
SEEN = [{"type": "text", "text": "here"}, IMAGE]
RESULT = {"role": "user", "content": [{"type": "tool_result", "tool_use_id": "t", "content": SEEN}]}
WORDS = {"role": "user", "content": [{"type": "tool_result", "tool_use_id": "t", "content": "done"}]}
HI = {"role": "user", "content": "hi"}
PDF_FILE = {"type": "file", "file": {"file_data": f"data:application/pdf;base64,{PIXEL}"}}
NAMED_PDF = {"type": "file", "file": {"file_id": "f1", "filename": "A.PDF"}}
TEXT_FILE = {"type": "file", "file": {"file_data": f"data:text/plain;base64,{PIXEL}", "filename": "a.txt"}}
FUNCTION = {"type": "function", "function": TOOL}
SCHEMA = {"type": "json_schema", "json_schema": {"name": "s", "schema": {"type": "object"}}}
INPUT_PDF = {"type": "input_file", "filename": "a.pdf", "file_data": f"data:application/pdf;base64,{PIXEL}"}
TEXT_FORMAT = {"format": {"type": "json_schema", "name": "s", "schema": {"type": "object"}}}


def answered(kind: str, told: object) -> dict[str, object]:
    return {"functionResponse": {"name": "add", "response": {"output": 1}, "parts": [{kind: told}]}}


CASES: list[tuple[str, dict[str, object], str]] = [
    ("openai_chat", {"model": "m", "messages": [HI]}, ""),
    ("openai_chat", chat(), ""),
    ("openai_chat", chat({"type": "image_url", "image_url": {"url": "http://x/y.png"}}), "image"),
    ("openai_chat", chat({"type": "input_audio", "input_audio": {"data": PIXEL, "format": "wav"}}), "audio"),
    ("openai_chat", chat(PDF_FILE), "pdf"),
    ("openai_chat", chat(NAMED_PDF), "pdf"),
    ("openai_chat", chat(TEXT_FILE), ""),
    ("openai_chat", chat(tools=[FUNCTION]), "tools"),
    ("openai_chat", chat(tools=[]), ""),
    ("openai_chat", chat(functions=[TOOL]), "tools"),
    ("openai_chat", chat(response_format=SCHEMA), "json_schema"),
    ("openai_chat", chat(response_format={"type": "json_object"}), ""),
    ("openai_chat", chat(reasoning_effort="low"), "reasoning"),
    ("openai_chat", chat(reasoning_effort="none"), ""),
    ("openai_chat", chat(reasoning={"effort": "high"}), "reasoning"),
    ("openai_chat", chat(reasoning={"effort": "none"}), ""),
    ("openai_chat", chat(reasoning={"max_tokens": 2000}), "reasoning"),
    ("openai_chat", chat(thinking={"type": "enabled"}), "reasoning"),
    ("openai_chat", chat(thinking={"type": "disabled"}), ""),
    ("openai_chat", chat(enable_thinking=True, thinking_budget=100), "reasoning"),
    ("anthropic", {"model": "m", "max_tokens": 9, "messages": [HI]}, ""),
    ("anthropic", claude(IMAGE), "image"),
    ("anthropic", claude(DOCUMENT), "pdf"),
    ("anthropic", claude(PLAIN), ""),
    ("anthropic", {"model": "m", "max_tokens": 9, "messages": [HI, CALL, RESULT]}, "image"),
    ("anthropic", {"model": "m", "max_tokens": 9, "messages": [HI, CALL, WORDS]}, ""),
    ("anthropic", claude(tools=[{**TOOL, "input_schema": {"type": "object"}}]), "tools"),
    ("anthropic", claude(thinking={"type": "enabled", "budget_tokens": 1024}), "reasoning"),
    ("anthropic", claude(thinking={"type": "adaptive"}), "reasoning"),
    ("anthropic", claude(thinking={"type": "disabled"}), ""),
    ("anthropic", claude(output_config={"effort": "low"}), "reasoning"),
    ("anthropic", claude(output_config={"format": {"type": "json_schema", "schema": {}}}), "json_schema"),
    ("anthropic", claude(output_format={"type": "json_schema", "schema": {}}), "json_schema"),
    ("openai_responses", {"model": "m", "input": "hi"}, ""),
    ("openai_responses", response({"type": "input_image", "image_url": "http://x/y.png"}), "image"),
    ("openai_responses", response(INPUT_PDF), "pdf"),
    ("openai_responses", response({"type": "input_file", "file_id": "f1"}), ""),
    ("openai_responses", response(tools=[{"type": "function", **TOOL}]), "tools"),
    ("openai_responses", response(text=TEXT_FORMAT), "json_schema"),
    ("openai_responses", response(reasoning={"effort": "low"}), "reasoning"),
    ("openai_responses", response(reasoning={"effort": "none"}), ""),
    ("gemini", gemini(), ""),
    ("gemini", {"contents": {"parts": {"text": "hi"}}}, ""),
    ("gemini", gemini({"inlineData": {"mimeType": "image/png", "data": PIXEL}}), "image"),
    ("gemini", gemini({"inline_data": {"mime_type": "audio/wav", "data": PIXEL}}), "audio"),
    ("gemini", gemini({"fileData": {"fileUri": "gs://a", "mimeType": "application/pdf"}}), "pdf"),
    ("gemini", gemini({"functionCall": {"name": "add", "args": {}}}), ""),
    ("gemini", gemini(tools=[{"functionDeclarations": [TOOL]}]), "tools"),
    ("gemini", gemini(generationConfig={"temperature": 1}), ""),
    ("gemini", gemini(generationConfig={"responseSchema": {"type": "OBJECT"}}), "json_schema"),
    ("gemini", gemini(generationConfig={"thinkingConfig": {"thinkingBudget": 100}}), "reasoning"),
    ("gemini", gemini(generationConfig={"thinkingConfig": {"thinkingBudget": 0}}), ""),
    # documents by their address, and pictures among what tools answered
    ("openai_chat", chat({"type": "document_url", "document_url": "http://x/y.PDF?z=1"}), "pdf"),
    ("openai_chat", chat({"type": "document_url", "document_url": "http://x/y", "document_name": "a.pdf"}), "pdf"),
    ("openai_chat", chat({"type": "file_url", "file_url": {"url": "http://x/y.pdf#page=2"}}), "pdf"),
    ("openai_chat", chat({"type": "file_url", "file_url": "http://x/y.txt"}), ""),
    ("openai_chat", chat(response_format={"type": "json", "value": {"type": "object"}}), "json_schema"),
    ("anthropic", claude({"type": "document", "source": {"type": "url", "url": "http://x/y"}}), "pdf"),
    ("openai_responses", response({"type": "input_file", "file_url": "http://x/y.pdf"}), "pdf"),
    ("openai_responses", response({"type": "input_file", "file_url": "http://x/y.csv"}), ""),
    ("gemini", gemini(answered("inlineData", {"mimeType": "image/png", "data": PIXEL})), "image"),
    ("gemini", gemini(answered("file_data", {"file_uri": "gs://a", "mime_type": "application/pdf"})), "pdf"),
    ("gemini", gemini({"functionResponse": {"name": "add", "response": {}, "parts": None}}), ""),
]


@pytest.mark.parametrize(("dialect", "body", "abilities"), CASES)
def test_needs_are_seen_quickly_and_in_whole(dialect: str, body: dict[str, object], abilities: str):
    wire = json.dumps(body).encode()
    envelope = Envelope(model="m", is_stream=False) if dialect == "gemini" else Envelope()
    wanted: frozenset[Ability] = frozenset(abilities.split())  # pyright: ignore[reportAssignmentType]

    quick = DIALECTS[dialect].peek(wire, envelope).needs
    whole = needs_of(DIALECTS[dialect].parse_request(wire, envelope))

    assert (quick, whole) == (Needs(wanted), Needs(wanted))
