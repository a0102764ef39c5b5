"""How long the default answers of a fake upstream take, and the faults that a drill is made of."""

import json

import pytest

from headgate.transport.fake import CutAt, LacksLast, Quota, RejectsPrefill, Slower, StallAt, Status
from headgate.transport.fake.answers import streamed, whole
from headgate.transport.fake.playbook import Pace, Playbook
from headgate.transport.fake.steps import Close, Send, Silence, Wait
from headgate.transport.fake.voice import parse_ask

SHORT = b'{"model":"m","messages":[{"role":"user","content":"hi"}],"stream":true}'


def waits(fault=None, first_s: float = 0.4, body: bytes = SHORT, times: int = 400) -> list[float]:
    """How long a book lets each of many calls wait before its first bytes."""
    book = Playbook(Pace(first_s=first_s), seed=3)
    if fault is not None:
        book.add_fault(fault, times=None, probability=1.0, path=None)
    plays = [book.play(parse_ask("/v1/chat/completions", body, "a b c")).steps[0] for _ in range(times)]
    return sorted(step.s if isinstance(step, Wait) else 0.0 for step in plays)


def test_first_tokens_are_log_normal_with_a_heavy_tail() -> None:
    found = waits()
    assert 0.36 < found[200] < 0.45
    assert 0.85 < found[380] < 1.25


def test_a_long_prompt_takes_longer() -> None:
    long = json.dumps({"model": "m", "messages": [{"role": "user", "content": "x" * 32_000}]}).encode()
    assert waits(body=long)[200] == pytest.approx(2 * waits()[200], rel=0.02)


def test_what_fails_at_once_does_not_wait_and_what_is_slower_waits_longer() -> None:
    assert waits(Status(status=500))[-1] == 0.0
    assert waits(Slower(factor=10))[200] == pytest.approx(10 * waits()[200])
    assert waits(first_s=0.0)[-1] == 0.0


def body(steps) -> bytes:
    return b"".join(step.data for step in steps[1:] if isinstance(step, Send))


def test_an_answer_can_end_after_a_share_of_it() -> None:
    answer = whole(b"0123456789")
    assert (body(CutAt(share=0.4).steps(answer)), CutAt(share=0.4).steps(answer)[-1]) == (b"0123", Close())
    assert (body(StallAt(share=0.5).steps(answer)), StallAt(share=0.5).steps(answer)[-1]) == (b"01234", Silence())
    assert body(StallAt(share=0.5, s=1).steps(answer)) == b"0123456789"


def test_a_stream_can_lack_its_last_chunks_and_end_in_order() -> None:
    assert body(LacksLast(chunks=2).steps(streamed([b"a", b"b", b"c"]))) == b"1\r\na\r\n0\r\n\r\n"
    assert body(LacksLast(chunks=2).steps(whole(b"abc"))) == b"abc"


def test_a_quota_announces_what_is_left_and_comes_back() -> None:
    quota = Quota(requests=2, window_s=0.05)
    heads = [quota.steps(whole(b"ok"))[0].data for _ in range(3)]
    assert [head.split(b" ")[1] for head in heads] == [b"200", b"200", b"429"]
    assert b"x-ratelimit-remaining-requests: 1" in heads[0]
    assert b"x-ratelimit-remaining-requests: 0" in heads[1]
    assert b"retry-after: 0.0" in heads[2]
    quota.taken_s[0] -= 0.05
    assert b" 200 " in quota.steps(whole(b"ok"))[0].data


@pytest.mark.parametrize(
    ("messages", "is_hit"),
    [
        ([{"role": "user", "content": "a"}, {"role": "assistant", "content": "b"}], True),
        ([{"role": "user", "content": "a"}], False),
        ([], False),
        ("none", False),
        (["odd"], False),
    ],
)
def test_prefill_is_refused_and_nothing_else(messages: object, is_hit: bool) -> None:
    book = Playbook(Pace(), seed=0)
    book.add_fault(RejectsPrefill(), times=None, probability=1.0, path=None)
    asked = json.dumps({"model": "m", "messages": messages}).encode()
    play = book.play(parse_ask("/v1/chat/completions", asked, "hi"))
    assert (play.status, play.fault) == ((400, "rejects_prefill") if is_hit else (200, None))
