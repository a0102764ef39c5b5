"""Every way in which a fake upstream can fail, by name: each turns the answer it would have given into steps."""

import time
from typing import ClassVar, cast

import msgspec
from msgspec import Struct

from headgate.transport.fake.answers import Answer, whole
from headgate.transport.fake.steps import Close, Repeat, ResetNow, Send, Silence, Step, Wait
from headgate.transport.fake.voice import Ask


class Fault(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, tag_field="fault"):
    """A way to fail; its arguments are its fields."""

    pace: ClassVar[float] = 0.0
    """Over how many times the usual wait for a first token it begins: what fails at once does not wait."""

    @property
    def usual_waits(self) -> float:
        """The same, of this one."""
        return self.pace

    @property
    def name(self) -> str:
        """As the control API and the log have it."""
        return str(self.__struct_config__.tag)

    def strikes(self, ask: Ask) -> bool:
        """Whether it hits such a request."""
        return True

    def steps(self, answer: Answer) -> list[Step]:
        """What is done in place of `answer.steps()`."""
        raise NotImplementedError


class Refuse(Fault, frozen=True, tag="refuse"):
    """Nothing listens at the port and open connections break: for `s` seconds, or until the fault is taken back."""

    s: float | None = None

    def steps(self, answer: Answer) -> list[Step]:
        return [ResetNow()]


class BlackHole(Fault, frozen=True, tag="black_hole"):
    """Takes the connection and the request, and never sends a byte."""

    def steps(self, answer: Answer) -> list[Step]:
        return [Silence()]


class SlowFirstByte(Fault, frozen=True, tag="slow_first_byte"):
    """The whole answer, `s` seconds late."""

    pace = 1.0
    s: float

    def steps(self, answer: Answer) -> list[Step]:
        return [Wait(self.s), *answer.steps()]


class Slower(Fault, frozen=True, tag="slower"):
    """The whole answer, its first token `factor` times as late as usual."""

    factor: float

    @property
    def usual_waits(self) -> float:
        return self.factor

    def steps(self, answer: Answer) -> list[Step]:
        return answer.steps()


class Drip(Fault, frozen=True, tag="drip"):
    """The whole answer with `gap_s` seconds between its chunks."""

    pace = 1.0
    gap_s: float

    def steps(self, answer: Answer) -> list[Step]:
        return msgspec.structs.replace(answer, gap_s=self.gap_s).steps()


class CutAfter(Fault, frozen=True, tag="cut_after"):
    """Closes the connection after `bytes` bytes of the body."""

    pace = 1.0
    bytes: int

    def steps(self, answer: Answer) -> list[Step]:
        return [*answer.steps_before(self.bytes), Close()]


class CutAt(Fault, frozen=True, tag="cut_at"):
    """Closes the connection after a `share` of the body."""

    pace = 1.0
    share: float

    def steps(self, answer: Answer) -> list[Step]:
        return [*answer.steps_before(int(answer.body_bytes * self.share)), Close()]


class StallAfter(Fault, frozen=True, tag="stall_after"):
    """Falls silent after `bytes` bytes of the body: for `s` seconds, or for ever."""

    pace = 1.0
    bytes: int
    s: float | None = None

    def steps(self, answer: Answer) -> list[Step]:
        begun = answer.steps_before(self.bytes)
        if self.s is None:
            return [*begun, Silence()]
        return [*begun, Wait(self.s), *answer.body(self.bytes, answer.body_bytes), *answer.ending()]


class StallAt(Fault, frozen=True, tag="stall_at"):
    """The same after a `share` of the body."""

    pace = 1.0
    share: float
    s: float | None = None

    def steps(self, answer: Answer) -> list[Step]:
        return StallAfter(bytes=int(answer.body_bytes * self.share), s=self.s).steps(answer)


class LacksLast(Fault, frozen=True, tag="lacks_last"):
    """Leaves out the last `chunks` chunks of a stream, and ends as if nothing were missing."""

    pace = 1.0
    chunks: int = 1

    def steps(self, answer: Answer) -> list[Step]:
        return answer.with_chunks(answer.chunks[: -self.chunks] if answer.is_stream else answer.chunks).steps()


class Quota(Fault, frozen=True, tag="quota"):
    """Takes `requests` requests in `window_s` seconds and says in headers what is left, as OpenAI does
    (https://platform.openai.com/docs/guides/rate-limits, 2026-11); the others get 429."""

    pace = 1.0
    requests: int
    window_s: float
    taken_s: list[float] = []

    def steps(self, answer: Answer) -> list[Step]:
        now_s, taken = time.monotonic(), self.taken_s
        if taken and now_s - taken[0] >= self.window_s:
            taken.clear()
        left, reset_s = self.requests - len(taken), taken[0] + self.window_s - now_s if taken else self.window_s
        if left <= 0:
            return Status(status=429, retry_after_s=reset_s).steps(answer)
        taken.append(now_s)
        told = (
            ("x-ratelimit-limit-requests", str(self.requests)),
            ("x-ratelimit-remaining-requests", str(left - 1)),
            ("x-ratelimit-reset-requests", f"{reset_s:.3f}s"),
        )
        return msgspec.structs.replace(answer, headers=(*answer.headers, *told)).steps()


class Reset(Fault, frozen=True, tag="reset"):
    """Breaks the connection (RST): at once, or after `after_bytes` bytes of the body."""

    after_bytes: int | None = None

    def steps(self, answer: Answer) -> list[Step]:
        begun = [] if self.after_bytes is None else answer.steps_before(self.after_bytes)
        # A reset discards what the client has not read yet: give it a moment
        return [*begun, Wait(0.02), ResetNow()] if begun else [ResetNow()]


class Status(Fault, frozen=True, tag="status"):
    """Answers with an HTTP status, 429 say; with `retry_after_s`, the header Retry-After."""

    status: int
    body: str = '{"error":{"message":"scripted by FakeUpstream","type":"scripted","code":"scripted"}}'
    retry_after_s: float | None = None
    content_type: str = "application/json"

    def steps(self, answer: Answer) -> list[Step]:
        failed = whole(self.body.encode(), status=self.status, content_type=self.content_type)
        if self.retry_after_s is not None:
            retry_after = ("retry-after", f"{self.retry_after_s:g}")
            failed = msgspec.structs.replace(failed, headers=(*failed.headers, retry_after))
        return failed.steps()


class RejectsPrefill(Fault, frozen=True, tag="rejects_prefill"):
    """Refuses a conversation that ends with the beginning of an answer, as newer models do."""

    def strikes(self, ask: Ask) -> bool:
        messages = ask.members.get("messages")
        last = cast(list[object], messages)[-1] if isinstance(messages, list) and messages else None
        return isinstance(last, dict) and cast(dict[str, object], last).get("role") == "assistant"

    def steps(self, answer: Answer) -> list[Step]:
        told = '{"error":{"message":"This model does not support prefill","type":"invalid_request_error","code":null}}'
        return Status(status=400, body=told).steps(answer)


class MalformedEvent(Fault, frozen=True, tag="malformed_event"):
    """Puts one event that is not JSON before chunk `index` of a stream; a whole body loses its second half."""

    pace = 1.0
    index: int = 1

    def steps(self, answer: Answer) -> list[Step]:
        if not answer.is_stream:
            return answer.with_chunks([b"".join(answer.chunks)[: answer.body_bytes // 2]]).steps()
        chunks = list(answer.chunks)
        chunks.insert(self.index, b'data: {"broken": \n\n')
        return answer.with_chunks(chunks).steps()


class InBandError(Fault, frozen=True, tag="in_band_error"):
    """Says 200, and then fails inside the stream, after `index` chunks, in the words of the API; a whole answer is
    the error alone."""

    index: int = 0

    def steps(self, answer: Answer) -> list[Step]:
        if not answer.is_stream:
            return answer.with_chunks([answer.error.rpartition(b"data: ")[2].strip()]).steps()
        return answer.with_chunks([*answer.chunks[: self.index], answer.error]).steps()


class HtmlBody(Fault, frozen=True, tag="html_body"):
    """Says 200 with a page for people, as a proxy in between does."""

    def steps(self, answer: Answer) -> list[Step]:
        page = b"<!doctype html><html><head><title>Just a moment...</title></head><body></body></html>"
        return whole(page, content_type="text/html; charset=utf-8").steps()


class Empty200(Fault, frozen=True, tag="empty_200"):
    """Says 200 and nothing else."""

    def steps(self, answer: Answer) -> list[Step]:
        return answer.with_chunks([]).steps()


class HeadersThenSilence(Fault, frozen=True, tag="headers_then_silence"):
    """Sends status and headers, and never a byte of the body."""

    def steps(self, answer: Answer) -> list[Step]:
        return [answer.head(), Silence()]


class PingsOnly(Fault, frozen=True, tag="pings_only"):
    """Sends the head and then only keep-alive events, for ever."""

    gap_s: float = 0.1

    def steps(self, answer: Answer) -> list[Step]:
        return [answer.head(), Repeat(answer.framed(answer.ping), self.gap_s)]


class NotHttp(Fault, frozen=True, tag="not_http"):
    """Answers in another protocol."""

    def steps(self, answer: Answer) -> list[Step]:
        return [Send(b"220 mail.example.com ESMTP\r\n")]


AnyFault = (
    Refuse
    | BlackHole
    | SlowFirstByte
    | Slower
    | Drip
    | CutAfter
    | CutAt
    | StallAfter
    | StallAt
    | LacksLast
    | Quota
    | Reset
    | Status
    | RejectsPrefill
    | MalformedEvent
    | InBandError
    | HtmlBody
    | Empty200
    | HeadersThenSilence
    | PingsOnly
    | NotHttp
)
"""The table of faults: a name on the wire leads to its class by the class's tag."""
