"""A fake provider on real sockets: answers like one, fails on command, and keeps a log that is the judge.

    from headgate.transport.fake import CutAfter, FakeUpstream

    async with FakeUpstream() as upstream:
        upstream.fail(CutAfter(bytes=100), times=1)
        ...  # send calls to f"{upstream.url}/v1"
        assert upstream.log[0].closed_early is False

As a process: `python -m headgate.transport.fake --port 9101`. See `FakeUpstream` for everything it can do.
"""

from headgate.transport.fake.answers import Answer
from headgate.transport.fake.faults import (
    BlackHole,
    CutAfter,
    CutAt,
    Drip,
    Empty200,
    Fault,
    HeadersThenSilence,
    HtmlBody,
    InBandError,
    LacksLast,
    MalformedEvent,
    NotHttp,
    PingsOnly,
    Quota,
    Refuse,
    RejectsPrefill,
    Reset,
    Slower,
    SlowFirstByte,
    StallAfter,
    StallAt,
    Status,
)
from headgate.transport.fake.live import Babble, Deaf, HangUp, Hear, Line, Live, Say, Vanish
from headgate.transport.fake.log import Attempt
from headgate.transport.fake.steps import Close, Repeat, ResetNow, Send, Silence, Step, Wait
from headgate.transport.fake.upstream import FakeSettings, FakeUpstream

__all__ = [
    "Answer",
    "Attempt",
    "Babble",
    "BlackHole",
    "Close",
    "CutAfter",
    "CutAt",
    "Deaf",
    "Drip",
    "Empty200",
    "FakeSettings",
    "FakeUpstream",
    "Fault",
    "HangUp",
    "HeadersThenSilence",
    "Hear",
    "HtmlBody",
    "InBandError",
    "LacksLast",
    "Line",
    "Live",
    "MalformedEvent",
    "NotHttp",
    "PingsOnly",
    "Quota",
    "Refuse",
    "RejectsPrefill",
    "Repeat",
    "Reset",
    "ResetNow",
    "Say",
    "Send",
    "Silence",
    "SlowFirstByte",
    "Slower",
    "StallAfter",
    "StallAt",
    "Status",
    "Step",
    "Vanish",
    "Wait",
]
