"""Prompts that look alike and must never share an answer, and prompts that look unlike and always may: made here."""

import random
from collections.abc import Iterator

from bench.cache.vectors import Vectors
from headgate.cache.semantic.judge import Judgement, judge
from headgate.cache.semantic.partition import Asked, partition
from headgate.cache.semantic.readings import Reading
from headgate.cache.semantic.verifier import verifier_of

TEMPLATES = [
    "{name} has {count} apples and buys {other} more. How many apples does {name} have now?",
    "Write a birthday card for {name}, who turns {count}",
    "Summarize the meeting of {date} with {name}",
    "What was the exchange rate of the euro on {date}?",
    "Translate the invoice number {count} for {name} into French",
    "Draft an email to {name} about the delay of order {count}",
    "how much is {count} dollars in yen",
    "a train leaves {city} at {count} o'clock and arrives in {town} {other} hours later, when is that",
    "what is the distance between {city} and {town}",
    "Give me a three day plan for a trip to {city}",
    "recommend a restaurant in {city} for {name}",
    "Is {name} available on {date}?",
    "remind me to call {name} about the contract",
    "If a shirt costs {count} dollars and is reduced by {other} percent, what is its price?",
    "Who was the mayor of {city} in the year {count}?",
    "Explain clause {count} of the agreement with {name}",
    "{name} walks {count} miles a day. How far does {name} walk in {other} days?",
    "generate a password with {count} letters and {other} digits",
    "Set the budget of {name} to {count} dollars from {date} on",
    "which flights go from {city} to {town} in the morning",
]
SLOTS = {
    "name": ["Alice", "Bob", "Carol", "dave", "erin", "Frank Miller", "grace", "Henry", "Isabel", "jack", "Mr. Novak"],
    "count": [str(number) for number in (3, 4, 7, 12, 13, 17, 20, 48, 75, 101, 1998, 2004)],
    "other": ["2", "5", "9", "30", "45"],
    "date": [
        "May 3",
        "June 3",
        "3 June 2024",
        "last Monday",
        "Tuesday",
        "2026-01-02",
        "January 2, 2025",
        "the 4th of July",
    ],
    "city": ["Paris", "london", "Rome", "new york", "Vienna", "oslo", "Cairo", "lima"],
    "town": ["Madrid", "berlin", "Prague", "boston", "Dublin", "quito"],
}


def templated(seed: int, count: int) -> Iterator[tuple[str, str]]:
    """Pairs from one template that differ in one slot."""
    dice = random.Random(seed)
    made = 0
    while made < count:
        template = dice.choice(TEMPLATES)
        filled = {slot: dice.choice(values) for slot, values in SLOTS.items()}
        slot = dice.choice([slot for slot in SLOTS if f"{{{slot}}}" in template])
        changed = filled | {slot: dice.choice([value for value in SLOTS[slot] if value != filled[slot]])}
        made += 1
        yield template.format(**filled), template.format(**changed)


def variants(text: str, dice: random.Random) -> Iterator[str]:
    """The same text in other case, spacing, punctuation and politeness."""
    bare = text.rstrip("?!. ")
    yield text
    yield text.upper()
    yield text.lower()
    yield f"  {text}\n"
    yield text.replace(" ", "  ")
    yield bare
    yield f"{bare}???"
    yield f"{dice.choice(['Hi, ', 'Hello! ', 'please, ', 'Good morning. ', 'Hey there, '])}{text}"
    yield f"{bare}{dice.choice([', please', ' please?', '. Thanks!', ', thank you.', '. Thanks in advance'])}"


def is_served(one: str, other: str, vectors: Vectors) -> bool:
    verifier = verifier_of(vectors.name)
    judged: Judgement = judge(vectors.side(one), vectors.side(other), verifier)
    return judged.kind == "same" or (judged.kind == "scored" and judged.evidence[0] >= verifier.logit_min)


def missed_variants(texts: list[str]) -> list[tuple[str, str]]:
    """Variants of texts without code that do not have the normal form of their text. No embedder is asked for these."""
    dice = random.Random(1)
    readings = [Reading(text) for text in texts]
    return [
        (reading.text, variant)
        for reading in readings
        if not reading.is_code
        for variant in variants(reading.text, dice)
        if Reading(variant).normal != reading.normal
    ]


HISTORIES = [
    "My cat is ill.",
    "I bought a boat.",
    "Book a flight to Rome.",
    "Cancel my order 5.",
    "Cancel my order 6.",
    "",
]
LAST = ["What should I do now?", "Tell me more about it", "yes, do it", "How much does it cost?", "Why?", "cancel it"]


def shared_conversations() -> int:
    """Of conversations that end in the same words after different histories, how many lie in one partition."""
    digests = [
        partition(Asked(tenant="t", surface="chat", model="m", turns=[history] if history else []), b"secret")
        for history in HISTORIES
        for _ in LAST
    ]
    per_history = len(LAST)
    return sum(
        digests[one * per_history + last] == digests[other * per_history + last]
        for last in range(per_history)
        for one in range(len(HISTORIES))
        for other in range(one)
    )
