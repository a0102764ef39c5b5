"""Questions that were answered, by partition, and what is learned of them. One thread's, without I/O.

It knows entries by their id alone: which answer an id stands for, and whether it is still there, is the exact
cache's to say.
"""

from collections import OrderedDict
from typing import Literal, NamedTuple

import msgspec

from headgate.cache.semantic.agreement import agree
from headgate.cache.semantic.embedders import Embedder, Floats
from headgate.cache.semantic.features import Side
from headgate.cache.semantic.index import ExactIndex, Index
from headgate.cache.semantic.judge import is_same, judge
from headgate.cache.semantic.learning import Label, Learner, Rules
from headgate.cache.semantic.partition import language_of
from headgate.cache.semantic.readings import Reading
from headgate.cache.semantic.verifier import Verifier

Mode = Literal["shadow", "verify", "serve"]
NEAREST = 4
COSINE_MIN = 0.5
SIDES_MAX = 2048
"""Texts kept as their words lie; a candidate that is not among them is embedded again, in 2 ms."""


class Question(msgspec.Struct, frozen=True):
    """What is asked: its partition, its group (a tenant's route, whose labels count together), and its words."""

    partition: bytes
    group: str
    text: str


class Settings(msgspec.Struct, frozen=True):
    """Of a route."""

    mode: Mode = "shadow"
    """`shadow` serves nothing but measures; `verify` asks again for a share of hits; `serve` does so more rarely."""
    rules: Rules = Rules()


class Found(msgspec.Struct, frozen=True):
    """What a look has found. `entry` is empty where there was no candidate."""

    entry: str = ""
    match: Literal["", "same", "near"] = ""
    is_served: bool = False
    is_audited: bool = False
    """Ask the upstream too, and tell with `answered` what it said."""
    would_serve: bool = False
    """In shadow: it would have been served."""
    reason: str = ""
    similarity: float = 0.0
    evidence: tuple[float, ...] = ()
    group: str = ""


Scored = tuple[tuple[float, ...], str]
"""Evidence, and the entry it is about."""


class Kept(NamedTuple):
    """What is remembered of a question, and what must be kept elsewhere to remember it after a restart."""

    entry: str
    question: Question
    vector: Floats
    expires_s: float


class Memory:
    """All groups of one embedder."""

    def __init__(self, embedder: Embedder, verifier: Verifier, seed: int = 0, index: Index | None = None) -> None:
        self._embedder = embedder
        self._verifier = verifier
        self._seed = seed
        self._index = index or ExactIndex(embedder.dimensions)
        self._texts: dict[str, Kept] = {}
        self._normal: dict[tuple[bytes, tuple[str, ...]], str] = {}
        self._sides: OrderedDict[str, Side] = OrderedDict()
        self._learners: dict[str, Learner] = {}
        self._served: OrderedDict[str, Found] = OrderedDict()

    def look(self, question: Question, settings: Settings, now_s: float) -> Found:
        """The best candidate, and what is to be done with it."""
        reading = Reading(question.text)
        learner = self._learner(question.group, settings.rules)
        partition = _within(question, reading)
        if entry := self._same(reading, partition, now_s):
            return self._served_in(settings, Found(entry, "same", True, similarity=1.0, group=question.group))
        best, similarity, reason = self._best(self._side(question.text), partition, now_s)
        decision = learner.decide(best[0] if best else None)
        if best is None:
            return Found(reason=reason or decision.reason, group=question.group)
        evidence, entry = best
        found = Found(entry, "near", decision.is_served, decision.is_audited, False, decision.reason)
        found = msgspec.structs.replace(found, similarity=similarity, evidence=evidence, group=question.group)
        return self._served_in(settings, found)

    def keep(self, entry: str, question: Question, expires_s: float) -> Kept:
        """Remembers that this question has that answer. What is returned can be given to `recall` after a restart."""
        side = self._side(question.text)
        kept = Kept(entry, question, side.embedded.vector, expires_s)
        self.recall(kept)
        return kept

    def recall(self, kept: Kept) -> None:
        self.forget(kept.entry)
        reading = Reading(kept.question.text)
        partition = _within(kept.question, reading)
        self._index.put(partition, kept.entry, kept.vector, kept.expires_s)
        self._texts[kept.entry] = kept
        if reading.normal:
            self._normal[partition, reading.normal] = kept.entry

    def answered(self, found: Found, old: str, new: str) -> bool | None:
        """Labels a candidate by what the upstream has said instead: whether they agree. None: there was none."""
        if not found.evidence:
            return None
        is_right = agree(old, new, self._vector)
        self._learners[found.group].learn(Label(found.evidence, is_right))
        return is_right

    def complain(self, entry: str) -> bool:
        """A user says that what was served was wrong: it is forgotten, and counts as such. Whether it was there."""
        found = self._served.pop(entry, None)
        if found and found.evidence:
            self._learners[found.group].learn(Label(found.evidence, False))
        return self.forget(entry)

    def forget(self, entry: str) -> bool:
        """Whether it was there."""
        kept = self._texts.pop(entry, None)
        if kept is None:
            return False
        self._index.drop([entry])
        reading = Reading(kept.question.text)
        key = (_within(kept.question, reading), reading.normal)
        if self._normal.get(key) == entry:
            del self._normal[key]
        return True

    def standing(self, group: str) -> str:
        """Why a group serves nothing by meaning; empty where it does."""
        learner = self._learners.get(group)
        return learner.standing if learner else "nothing was asked yet"

    def _best(self, side: Side, partition: bytes, now_s: float) -> tuple[Scored | None, float, str]:
        """The likeliest of the nearest that nothing bars, its cosine, and why the first was barred."""
        best: Scored | None = None
        similarity, reason = 0.0, ""
        for near in self._index.near(partition, side.embedded.vector, NEAREST, now_s):
            if near.cosine < COSINE_MIN or near.entry not in self._texts:
                continue
            judged = judge(side, self._side(self._texts[near.entry].question.text), self._verifier)
            if judged.kind == "scored" and (best is None or judged.evidence > best[0]):
                best, similarity = (judged.evidence, near.entry), near.cosine
            reason = reason or judged.reason
        return best, similarity, reason

    def _served_in(self, settings: Settings, found: Found) -> Found:
        """In shadow nothing is served, and everything is labelled, since the upstream is asked anyway."""
        if settings.mode == "shadow":
            return msgspec.structs.replace(found, is_served=False, is_audited=False, would_serve=found.is_served)
        if found.is_served:
            self._served[found.entry] = found
            if len(self._served) > SIDES_MAX:
                self._served.popitem(last=False)
        return found

    def _learner(self, group: str, rules: Rules) -> Learner:
        learner = self._learners.get(group)
        if learner is None or learner.rules != rules:
            labels = learner.labels if learner else ()
            learner = self._learners[group] = Learner(rules, self._seed)
            for label in labels:
                learner.learn(label)
        return learner

    def _same(self, reading: Reading, partition: bytes, now_s: float) -> str:
        """The entry whose question is the same but for trivial things; empty: none."""
        kept = self._texts.get(self._normal.get((partition, reading.normal), ""))
        is_there = kept is not None and kept.expires_s > now_s and is_same(reading, Reading(kept.question.text))
        return kept.entry if kept and is_there else ""

    def _side(self, text: str) -> Side:
        side = self._sides.pop(text, None)
        if side is None:
            reading = Reading(text)
            side = Side(reading, self._embedder.embed(reading.text, reading.words))
        self._sides[text] = side
        if len(self._sides) > SIDES_MAX:
            self._sides.popitem(last=False)
        return side

    def _vector(self, reading: Reading) -> Floats:
        return self._embedder.embed(reading.text, ()).vector


def _within(question: Question, reading: Reading) -> bytes:
    """Languages are parted here, so that nobody who makes a partition can leave it out."""
    return question.partition + b"\0" + language_of(reading.text).encode()
