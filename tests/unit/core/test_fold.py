"""A stream, folded."""

import pytest
from msgspec import Raw

from headgate.core.events import Failed, Finished, Opaque, PartDelta, PartEnded, PartStarted, Started
from headgate.core.fold import Answer, AnswerPart, fold
from headgate.core.problems import Outcome, Problem
from headgate.core.request import Signature
from headgate.core.usage import Usage


def test_interleaved_parts_come_together_each_in_its_place() -> None:
    answer = fold(
        [
            Started(id="a", model="m", created=7, extras={"tier": Raw(b"1")}),
            PartStarted(index=0, kind="text"),
            PartStarted(index=1, kind="tool_call", id="c", name="look", choice=1, form="f"),
            PartDelta(1, "{"),
            PartDelta(0, "he"),
            PartDelta(1, "}"),
            PartDelta(0, "llo"),
            PartEnded(index=1, signature=Signature("gemini", "s"), extras={"x": Raw(b"2")}),
            PartEnded(index=0),
            Finished(
                reason="stop",
                usage=Usage(input_tokens=1, output_tokens=2),
                more_reasons=("tool_calls",),
                wire_reason="STOP",
                extras={"end": Raw(b"3")},
            ),
        ]
    )
    assert answer == Answer(
        id="a",
        model="m",
        created=7,
        parts=[
            AnswerPart(index=0, kind="text", text="hello"),
            AnswerPart(
                index=1,
                kind="tool_call",
                text="{}",
                id="c",
                name="look",
                choice=1,
                signature=Signature("gemini", "s"),
                form="f",
                extras={"x": Raw(b"2")},
            ),
        ],
        reason="stop",
        more_reasons=("tool_calls",),
        wire_reason="STOP",
        usage=Usage(input_tokens=1, output_tokens=2),
        extras={"tier": Raw(b"1"), "end": Raw(b"3")},
    )


def test_an_opaque_hangs_on_its_part_or_on_the_answer() -> None:
    loose = Opaque(name="citations", raw=Raw(b"[]"), dialect="d")
    hung = Opaque(name="note", raw=Raw(b"1"), dialect="d", index=0)
    answer = fold([Started(), loose, PartStarted(index=0, kind="text"), hung, PartEnded(index=0)])
    assert (answer.opaques, answer.parts[0].opaques) == ([loose], [hung])


def test_a_failed_answer_keeps_what_was_said_and_has_no_reason() -> None:
    problem = Problem(kind="upstream", message="cut", outcome=Outcome.CUT)
    answer = fold([Started(), PartStarted(index=0, kind="text"), PartDelta(0, "half"), Failed(problem)])
    assert (answer.text, answer.reason, answer.problem) == ("half", None, problem)


def test_the_text_is_that_of_the_first_choice() -> None:
    events = [PartStarted(index=0, kind="text"), PartStarted(index=1, kind="text", choice=1)]
    answer = fold([*events, PartDelta(0, "one"), PartDelta(1, "two")])
    assert answer.text == "one"


def test_a_delta_of_an_unknown_part_is_a_bug() -> None:
    with pytest.raises(KeyError):
        fold([Started(), PartDelta(3, "?")])


def test_the_leftovers_of_an_event_are_not_changed_by_folding() -> None:
    started = PartStarted(index=0, kind="text", extras={"a": Raw(b"1")})
    fold([started, PartEnded(index=0, extras={"b": Raw(b"2")})])
    assert started.extras == {"a": Raw(b"1")}
