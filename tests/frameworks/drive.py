"""Frameworks as clients of a running gateway: python drive.py BASE_URL KEY. Exits 1 if any call is not as expected.

Runs in an environment of its own, which has the frameworks and nothing of Headgate.
"""

import asyncio
import sys
import traceback
from collections.abc import Callable
from typing import Any

MODELS = ("via-openai", "via-anthropic", "via-gemini", "via-responses")
PROMPT = "say pong"
BASE, KEY = sys.argv[1:]


def weather(city: str) -> str:
    """Tells the weather of a city."""
    return f"sunny in {city}"


def langchain(model: Any) -> None:
    """Text, a stream with its usage, and a call of a tool."""
    answer = model.invoke(PROMPT)
    assert answer.text == PROMPT, answer
    assert answer.usage_metadata["total_tokens"] > 0, answer
    chunks = list(model.stream(PROMPT))
    assert "".join(chunk.text for chunk in chunks) == PROMPT, chunks
    assert sum((chunk.usage_metadata or {}).get("output_tokens", 0) for chunk in chunks) > 0, chunks
    from langchain_core.tools import tool

    (call,) = model.bind_tools([tool(weather)]).invoke("call weather").tool_calls
    assert call["name"] == "weather", call


def langchain_openai(name: str) -> None:
    from langchain_openai import ChatOpenAI

    langchain(ChatOpenAI(model=name, base_url=f"{BASE}/v1", api_key=KEY, max_retries=0, stream_usage=True))


def langchain_responses(name: str) -> None:
    from langchain_openai import ChatOpenAI

    langchain(ChatOpenAI(model=name, base_url=f"{BASE}/v1", api_key=KEY, max_retries=0, use_responses_api=True))


def langchain_anthropic(name: str) -> None:
    from langchain_anthropic import ChatAnthropic

    langchain(ChatAnthropic(model=name, base_url=BASE, api_key=KEY, max_retries=0, max_tokens=64))


def llama_index(name: str) -> None:
    from llama_index.core.tools import FunctionTool
    from llama_index.llms.openai_like import OpenAILike

    model = OpenAILike(
        model=name,
        api_base=f"{BASE}/v1",
        api_key=KEY,
        is_chat_model=True,
        is_function_calling_model=True,
        max_retries=0,
    )
    assert model.complete(PROMPT).text == PROMPT
    assert "".join(piece.delta or "" for piece in model.stream_complete(PROMPT)) == PROMPT
    answer = model.chat_with_tools([FunctionTool.from_defaults(weather)], user_msg="call weather")
    (call,) = model.get_tool_calls_from_response(answer)
    assert call.tool_name == "weather", call


async def pydantic_ai(model: Any) -> None:
    """Text and a stream; an agent whose tool is called goes on until the model has no call any more."""
    from pydantic_ai import Agent
    from pydantic_ai.usage import UsageLimits

    plain = Agent(model)
    answer = await plain.run(PROMPT)
    assert answer.output == PROMPT, answer
    async with plain.run_stream(PROMPT) as streamed:
        assert await streamed.get_output() == PROMPT
    called: list[str] = []

    def look_up(city: str = "") -> str:
        called.append(city)
        return "sunny"

    agent = Agent(model, tools=[look_up])
    try:
        await agent.run("call look_up", usage_limits=UsageLimits(request_limit=2))
    except Exception as error:  # the demo calls for as long as the last user text says so
        if "request_limit" not in str(error):
            raise
    assert called, "the tool was not called"


def pydantic_ai_openai(name: str) -> None:
    from pydantic_ai.models.openai import OpenAIChatModel
    from pydantic_ai.providers.openai import OpenAIProvider

    asyncio.run(pydantic_ai(OpenAIChatModel(name, provider=OpenAIProvider(base_url=f"{BASE}/v1", api_key=KEY))))


def pydantic_ai_anthropic(name: str) -> None:
    from anthropic import AsyncAnthropic
    from pydantic_ai.models.anthropic import AnthropicModel
    from pydantic_ai.providers.anthropic import AnthropicProvider

    client = AsyncAnthropic(base_url=BASE, api_key=KEY, max_retries=0)
    asyncio.run(pydantic_ai(AnthropicModel(name, provider=AnthropicProvider(anthropic_client=client))))


CHECKS: tuple[Callable[[str], None], ...] = (
    langchain_openai,
    langchain_responses,
    langchain_anthropic,
    llama_index,
    pydantic_ai_openai,
    pydantic_ai_anthropic,
)


def main() -> int:
    failed = 0
    for check in CHECKS:
        for name in MODELS:
            try:
                check(name)
            except Exception:
                failed += 1
                print(f"FAIL  {check.__name__} {name}\n{traceback.format_exc(limit=-6)}")
            else:
                print(f"ok    {check.__name__} {name}")
    print(f"{len(CHECKS) * len(MODELS) - failed} passed, {failed} failed")
    return int(failed > 0)


if __name__ == "__main__":
    sys.exit(main())
