"""Every way in which a fake upstream can fail, by name: each turns the answer it would have given into steps."""

import msgspec
from msgspec import Struct

from headgate.transport.fake.answers import Answer, whole
from headgate.transport.fake.steps import Close, Repeat, ResetNow, Send, Silence, Step, Wait


class Fault(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, tag_field="fault"):
    """A way to fail; its arguments are its fields."""

    @property
    def name(self) -> str:
        """As the control API and the log have it."""
        return str(self.__struct_config__.tag)

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

    s: float

    def steps(self, answer: Answer) -> list[Step]:
        return [Wait(self.s), *answer.steps()]


class Drip(Fault, frozen=True, tag="drip"):
    """The whole answer with `gap_s` seconds between its chunks."""

    gap_s: float

    def steps(self, answer: Answer) -> list[Step]:
        return msgspec.structs.replace(answer, gap_s=self.gap_s).steps()


class CutAfter(Fault, frozen=True, tag="cut_after"):
    """Closes the connection after `bytes` bytes of the body."""

    bytes: int

    def steps(self, answer: Answer) -> list[Step]:
        return [*answer.steps_before(self.bytes), Close()]


class StallAfter(Fault, frozen=True, tag="stall_after"):
    """Falls silent after `bytes` bytes of the body: for `s` seconds, or for ever."""

    bytes: int
    s: float | None = None

    def steps(self, answer: Answer) -> list[Step]:
        begun = answer.steps_before(self.bytes)
        if self.s is None:
            return [*begun, Silence()]
        return [*begun, Wait(self.s), *answer.body(self.bytes, answer.body_bytes), *answer.ending()]


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


class MalformedEvent(Fault, frozen=True, tag="malformed_event"):
    """Puts one event that is not JSON before chunk `index` of a stream; a whole body loses its second half."""

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
    | Drip
    | CutAfter
    | StallAfter
    | Reset
    | Status
    | MalformedEvent
    | InBandError
    | HtmlBody
    | Empty200
    | HeadersThenSilence
    | PingsOnly
    | NotHttp
)
"""The table of faults: a name on the wire leads to its class by the class's tag."""
