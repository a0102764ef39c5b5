"""Labelled sets: pairs of texts with whether one's answer may be given to the other, and a stream of intents.

The files are not part of the project. Each pair belongs to a half by a text that stands for all that pairs connect it
with: what ships was made with `develop` halves alone, and what is reported is `measure`.
"""

import ast
import gzip
import hashlib
import io
import json
import random
import tarfile
from collections.abc import Callable
from pathlib import Path

FOLDER = Path(__file__).parents[3] / "shared/semcache"
Pair = tuple[str, str, int]


def half_of(text: str) -> str:
    """Which half of its set a group of connected pairs belongs to, by the text that stands for it."""
    return "develop" if hashlib.sha256(text.encode()).digest()[0] < 128 else "measure"


def connected(labelled: list[Pair]) -> list[str]:
    """For each pair the first, in the order of the alphabet, of all texts that pairs connect it with."""
    parents: dict[str, str] = {}

    def root(text: str) -> str:
        parents.setdefault(text, text)
        while parents[text] != text:
            parents[text] = parents[parents[text]]
            text = parents[text]
        return text

    for one, other, _ in labelled:
        first, second = sorted((root(one), root(other)))
        parents[second] = first
    return [root(one) for one, _, _ in labelled]


def half(labelled: list[Pair], wanted: str) -> list[Pair]:
    groups = connected(labelled)
    return [pair for pair, group in zip(labelled, groups, strict=True) if half_of(group) == wanted]


def quora(folder: Path) -> list[Pair]:
    packed = gzip.decompress((folder / "gptcache_similiar_qqp_full.json.gz").read_bytes())
    with tarfile.open(fileobj=io.BytesIO(packed)) as archive:
        names = [name for name in archive.getnames() if name.endswith(".json") and "/._" not in name]
        member = archive.extractfile(names[0])
        rows = json.load(member) if member else []
    return [(row["text_a"], row["text_b"], int(row["label"])) for row in rows]


def paws_wiki(path: Path) -> list[Pair]:
    data = gzip.decompress(path.read_bytes()) if path.suffix == ".gz" else path.read_bytes()
    rows = [line.split("\t") for line in data.decode().splitlines()]
    return [(row[1], row[2], int(row[3])) for row in rows if len(row) == 4 and row[3] in ("0", "1")]


def paws_quora(folder: Path) -> list[Pair]:
    lines = (folder / "paws_qqp_dev_and_test.tsv").read_text().splitlines()[1:]
    rows = [line.split("\t") for line in lines]
    return [(ast.literal_eval(row[1]).decode(), ast.literal_eval(row[2]).decode(), int(row[3])) for row in rows]


def negations(folder: Path) -> list[Pair]:
    """The set marks what is negated, so its labels are turned round."""
    data = gzip.decompress((folder / "cannot_sem_anto_neg.tsv.gz").read_bytes())
    rows = [line.split("\t") for line in data.decode().splitlines()[1:]]
    return [(row[0], row[1], 1 - int(row[2])) for row in rows]


def intents(folder: Path, *parts: str) -> list[tuple[str, str]]:
    """Utterances with what they ask for. What is out of scope asks for something of its own each."""
    data = json.loads(gzip.decompress((folder / "clinc150_data_full.json.gz").read_bytes()))
    rows = [row for part in parts for row in data[part]]
    return [(text, f"only {at}" if intent == "oos" else intent) for at, (text, intent) in enumerate(rows)]


SETS: dict[str, tuple[Callable[[Path], list[Pair]], str]] = {
    "Quora": (quora, "questions, long tail; labels are noisy, so false hits are an upper bound"),
    "PAWS-Quora": (paws_quora, "adversarial paraphrases of questions: the same words in another order"),
    "PAWS-Wiki": (lambda folder: paws_wiki(folder / "paws_wiki_dev.tsv.gz"), "adversarial paraphrases of sentences"),
    "Negation": (negations, "negations and antonyms"),
}


def measured(name: str, folder: Path, count: int) -> list[Pair]:
    """What nothing was made with: half of a set, or all; at most so many, the same each time."""
    labelled = SETS[name][0](folder)
    kept = labelled if name == "PAWS-Quora" else half(labelled, "measure")
    random.Random(name).shuffle(kept)
    return kept[:count]
