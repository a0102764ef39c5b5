"""The response object around an answer: its own members, and those that repeat the request. Must not know items."""

from typing import Final

from msgspec import Raw

from headgate.core.events import Finished, Started
from headgate.core.problems import Problem
from headgate.core.usage import Usage
from headgate.dialects.base import ReplyTo
from headgate.dialects.openai_responses.errors import code_of
from headgate.dialects.openai_responses.rendering import INSTRUCTIONS, settings_of
from headgate.dialects.openai_responses.usage import render_usage
from headgate.dialects.openai_responses.wire import NAME, NULL, text_of
from headgate.dialects.openai_responses.writing import words_of

_Object = dict[str, object]

_DEFAULTS: Final[_Object] = {
    "background": False,
    "instructions": None,
    "max_output_tokens": None,
    "max_tool_calls": None,
    "metadata": {},
    "parallel_tool_calls": True,
    "previous_response_id": None,
    "prompt_cache_key": None,
    "reasoning": {"effort": None, "summary": None},
    "safety_identifier": None,
    "service_tier": "default",
    "store": False,
    "temperature": 1.0,
    "text": {"format": {"type": "text"}},
    "tool_choice": "auto",
    "tools": [],
    "top_logprobs": 0,
    "top_p": 1.0,
    "truncation": "disabled",
    "user": None,
}
"""Members that repeat the request, as the API fills them in where the request says nothing."""

_NOT_REPEATED: Final = frozenset({"service_tier", "store", "background"})
_INCOMPLETE: Final = {"length": "max_output_tokens", "content_filter": "content_filter"}
_RUNNING: Final[_Object] = {
    "status": "in_progress",
    "completed_at": None,
    "error": None,
    "incomplete_details": None,
    "output": [],
    "usage": None,
}
_ALWAYS: Final = frozenset({"status", "output", "usage"})


def _ending(finished: Finished, now_s: int) -> _Object:
    """What the end changes, for an answer of another dialect."""
    cause = _INCOMPLETE.get(finished.reason)
    if cause is not None:
        return {"status": "incomplete", "incomplete_details": {"reason": cause}}
    if finished.reason == "error":
        error = {"code": "server_error", "message": "the provider ended the answer with a fault of its own"}
        return {"status": "failed", "error": error}
    return {"status": "completed", "completed_at": now_s or None}


class Envelope:
    """The response object of one answer, as it is at its start and at its end."""

    def __init__(self, started: Started, reply_to: ReplyTo) -> None:
        self.is_home = started.dialect == NAME
        self.id = started.id or reply_to.id
        self._own = started.extras if self.is_home else None
        self._members: _Object = {
            "id": self.id,
            "object": "response",
            "created_at": started.created or reply_to.now_s,
            "model": started.model or reply_to.model,
            **({} if self.is_home and started.extras else _repeated(reply_to)),
        }

    def running(self) -> _Object:
        """As it is while the answer goes on."""
        if not self._own:
            return {**self._members, **_RUNNING}
        now = {name: value for name, value in _RUNNING.items() if name in self._own or name in _ALWAYS}
        return {**self._members, **self._own, **now}

    def ended(self, finished: Finished, output: list[_Object], now_s: int) -> tuple[_Object, str]:
        """As it is at the end, and the name of the event that tells it."""
        usage = _usage(finished.usage, is_home=self.is_home)
        ending = _ending(finished, now_s)
        members: _Object
        if self._own:
            members = {**self._members, "status": ending["status"], **self._own, **finished.extras, "output": output}
            if usage is not None:
                members["usage"] = usage
        else:
            members = {**self._members, **_RUNNING, **ending, "output": output, "usage": usage}
        return members, _event_of_status(members["status"])

    def failed(self, problem: Problem, output: list[_Object]) -> _Object:
        """As it is after a failure."""
        if self._own and self._own.get("error", NULL) != NULL:  # a whole answer that says itself that it failed
            return {**self._members, **self._own, "output": output}
        error = {"code": code_of(problem) or "server_error", "message": problem.message}
        return {**self.running(), "output": output, "status": "failed", "error": error}


def _event_of_status(status: object) -> str:
    text = text_of(status) if isinstance(status, Raw) else status
    return f"response.{text}" if text in ("incomplete", "failed") else "response.completed"


def _usage(usage: Usage | None, *, is_home: bool) -> object:
    if usage is None:
        return None
    return usage.extras if is_home and usage.extras else render_usage(usage)


def _repeated(reply_to: ReplyTo) -> _Object:
    request = reply_to.echo
    if request is None or request.dialect != NAME:
        return dict(_DEFAULTS)
    said: _Object = settings_of(request)
    for message in request.messages:
        if message.form == INSTRUCTIONS:
            said[INSTRUCTIONS] = words_of(message.parts)
    names = (_DEFAULTS.keys() - _NOT_REPEATED) & said.keys()
    return {**_DEFAULTS, **{name: said[name] for name in names if said[name] != NULL}}
