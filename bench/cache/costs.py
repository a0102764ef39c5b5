"""What a lookup costs at twenty thousand entries in one partition, in time of one core."""

import statistics
import time

import numpy as np

from bench.cache.vectors import Vectors
from headgate.cache.semantic.embedders import Embedder, open_embedder, unit
from headgate.cache.semantic.features import Side
from headgate.cache.semantic.index import ExactIndex
from headgate.cache.semantic.judge import judge
from headgate.cache.semantic.readings import Reading
from headgate.cache.semantic.verifier import verifier_of

ENTRIES = 20_000
LOOKUPS = 200
QUESTIONS = [
    f"How do I {verb} my {thing} {when}?"
    for verb in ("reset", "replace", "repair", "sell", "insure")
    for thing in ("password", "front door lock", "bicycle", "old laptop", "driving licence")
    for when in ("before the holidays", "without paying a fee", "on my own", "in a foreign country")
]


def measure(vectors: Vectors) -> dict[str, float]:
    """Medians of processor time in milliseconds for each step of a lookup whose candidate is judged in full."""
    embedder, verifier = open_embedder(vectors.name), verifier_of(vectors.name)
    index = ExactIndex(embedder.dimensions)
    noise = unit(np.random.default_rng(1).normal(size=(ENTRIES, embedder.dimensions)).astype(np.float32))
    for place, row in enumerate(noise):
        index.put(b"one", str(place), row, 1e9)
    stored = _side(embedder, "What is the best way to repair an old laptop in a foreign country?")
    steps: dict[str, list[float]] = {"read": [], "embed": [], "search": [], "judge": [], "all": []}
    for at in range(LOOKUPS):
        text = QUESTIONS[at % len(QUESTIONS)]
        marks = [time.thread_time()]
        reading = Reading(text)
        _ = reading.facts, reading.names, reading.stems
        marks.append(time.thread_time())
        made = embedder.embed(reading.text, reading.words)
        marks.append(time.thread_time())
        index.near(b"one", made.vector, 4, 0.0)
        marks.append(time.thread_time())
        judge(Side(reading, made), stored, verifier)
        marks.append(time.thread_time())
        for name, first, last in zip(steps, (0, 1, 2, 3, 0), (1, 2, 3, 4, 4), strict=True):
            steps[name].append(1000 * (marks[last] - marks[first]))
    return {name: round(statistics.median(spent), 3) for name, spent in steps.items()}


def _side(embedder: Embedder, text: str) -> Side:
    reading = Reading(text)
    return Side(reading, embedder.embed(reading.text, reading.words))
