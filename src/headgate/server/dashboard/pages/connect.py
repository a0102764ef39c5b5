"""Connect: how each client is pointed here, with this gateway's own address, and whether a first call has come."""

import asyncio
from typing import Final, NamedTuple

from headgate.server.dashboard.pages.requests import names_of_keys
from headgate.server.dashboard.visiting import Page, Visit
from headgate.store.queries.calls import CallFilter


class Snippet(NamedTuple):
    """What to write for one client."""

    client: str
    where: str
    text: str


_SNIPPETS: Final = (
    Snippet(
        "OpenAI’s SDK",
        "Python",
        'from openai import OpenAI\n\nclient = OpenAI(base_url="{url}/v1", api_key="{key}")\n'
        "answer = client.chat.completions.create(\n"
        '    model="{model}", messages=[{{"role": "user", "content": "Hello"}}]\n)\n'
        "print(answer.choices[0].message.content)",
    ),
    Snippet(
        "Anthropic’s SDK",
        "Python",
        'from anthropic import Anthropic\n\nclient = Anthropic(base_url="{url}", auth_token="{key}")\n'
        "answer = client.messages.create(\n"
        '    model="{model}", max_tokens=100, messages=[{{"role": "user", "content": "Hello"}}]\n)\n'
        "print(answer.content[0].text)",
    ),
    Snippet(
        "Google’s SDK",
        "Python",
        "from google import genai\n\n"
        'client = genai.Client(api_key="{key}", http_options={{"base_url": "{url}"}})\n'
        'print(client.models.generate_content(model="{model}", contents="Hello").text)',
    ),
    Snippet(
        "curl",
        "shell",
        'curl {url}/v1/chat/completions \\\n  -H "Authorization: Bearer {key}" -H "Content-Type: application/json" \\\n'
        '  -d \'{{"model": "{model}", "messages": [{{"role": "user", "content": "Hello"}}]}}\'',
    ),
    Snippet("Claude Code", "shell", "export ANTHROPIC_BASE_URL={url}\nexport ANTHROPIC_AUTH_TOKEN={key}\nclaude"),
    Snippet(
        "Codex",
        "~/.codex/config.toml, and HEADGATE_KEY={key} in the environment",
        'model = "{model}"\nmodel_provider = "headgate"\n\n[model_providers.headgate]\nname = "headgate"\n'
        'base_url = "{url}/v1"\nenv_key = "HEADGATE_KEY"\nwire_api = "responses"',
    ),
    Snippet(
        "Anything with OpenAI’s variables", "shell", "export OPENAI_BASE_URL={url}/v1\nexport OPENAI_API_KEY={key}"
    ),
)


async def connect(visit: Visit) -> Page:
    """The page."""
    names = await asyncio.to_thread(names_of_keys, visit)
    model = visit.query.get("model", "demo/echo")
    url = visit.sights.clients_url
    snippets = [
        Snippet(each.client, each.where.format(key="sk-hg_…"), each.text.format(url=url, key="sk-hg_…", model=model))
        for each in _SNIPPETS
    ]
    context: dict[str, object] = {
        "title": "Connect",
        "visit": visit,
        "snippets": snippets,
        "keys": names,
        "model": model,
        **await _seen(visit),
    }
    return Page(template="connect.html", context=context)


async def seen(visit: Visit) -> Page:
    """Whether a call has come; asked again and again by the page."""
    return Page(template="connect_seen.html", context={"visit": visit, **await _seen(visit)})


async def _seen(visit: Visit) -> dict[str, object]:
    key = visit.query.get("key")
    page = await visit.sights.doors.calls.recent(CallFilter(key_id=key), limit=1)
    return {"key": key or "", "last": page.records[0] if page.records else None}
