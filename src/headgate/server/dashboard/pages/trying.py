"""Routes and the playground: where a call would go and what it would cost, and calls to several models at once."""

import asyncio
from collections.abc import Mapping
from typing import Any, Final, cast

import msgspec

from headgate.core.problems import InvalidRequest
from headgate.server.dashboard.visiting import Page, Sent, Visit

EXAMPLE: Final = '{\n  "model": "%s",\n  "messages": [{"role": "user", "content": "Hello"}]\n}'
LANES_MAX: Final = 4
_decode = msgspec.json.Decoder(dict[str, Any]).decode
_encode = msgspec.json.Encoder().encode


async def routes(visit: Visit) -> Page:
    """The form, and the plan of what it was sent with."""
    keys, names = await asyncio.to_thread(_choices, visit)
    body = visit.form.get("body") or visit.query.get("body") or EXAMPLE % (names[0] if names else "")
    tags, key = visit.form.get("tags", ""), visit.form.get("key") or next(iter(keys), "")
    told: Mapping[str, Any] = {}
    refusal = ""
    if visit.form:
        status, answer = await visit.sights.caller.quote(key, body.encode(), tags)
        told = _decode(answer)
        if status != 200:
            refusal, told = f"{status}: {told.get('error', {}).get('message', 'refused')}", {}
    context: dict[str, object] = {
        "title": "Routes",
        "visit": visit,
        "keys": keys,
        "key": key,
        "body": body,
        "tags": tags,
        "plan": told,
        "refusal": refusal,
    }
    return Page(template="routes.html", context=context)


async def playground(visit: Visit) -> Page:
    """The page; its script sends what is asked to each model."""
    keys, names = await asyncio.to_thread(_choices, visit)
    chosen = [name for name in visit.query.get("models", "").split(",") if name][:LANES_MAX]
    context: dict[str, object] = {
        "title": "Playground",
        "visit": visit,
        "keys": keys,
        "names": names,
        "lanes": chosen + [""] * (2 - len(chosen)) if len(chosen) < 2 else chosen,
    }
    return Page(template="playground.html", context=context)


async def talk(visit: Visit) -> Sent:
    """One answer, as it comes. Raises `InvalidRequest` for a form that asks nothing."""
    form = visit.form
    if not form.get("model") or not form.get("prompt"):
        raise InvalidRequest("Choose a model and write a prompt.", param="prompt")
    messages = [{"role": "user", "content": form["prompt"]}]
    if form.get("system"):
        messages.insert(0, {"role": "system", "content": form["system"]})
    body: dict[str, object] = {
        "model": form["model"],
        "messages": messages,
        "stream": True,
        "stream_options": {"include_usage": True},
    }
    for name, read in (("temperature", float), ("max_tokens", int)):
        if form.get(name):
            body[name] = _number(form[name], read, name)
    stream = visit.sights.caller.talk(form.get("key", ""), _encode(body))
    return Sent(media_type="text/event-stream", stream=stream)


def _number(text: str, read: type[float] | type[int], name: str) -> float:
    try:
        return read(text)
    except ValueError:
        raise InvalidRequest(f"{name} takes a number, not {text[:20]!r}.", param=name) from None


def _choices(visit: Visit) -> tuple[dict[str, str], list[str]]:
    """The keys that are good, by id, and the names that can be asked for."""
    now_us = visit.now_us
    keys = {
        key.kid: key.name
        for key in visit.sights.doors.keys.list()
        if key.revoked_us is None and (key.expires_us is None or key.expires_us > now_us)
    }
    listed = cast("list[dict[str, Any]]", _decode(visit.sights.doors.models())["data"])
    return keys, [str(each["id"]) for each in listed]
