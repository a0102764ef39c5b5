"""`python -m bench.cache`: how often a semantic cache is right, and what it serves; `--write` records it.

Stages leave their results in a file, so that a run that was stopped goes on: `--again` begins anew.
"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path

from bench.cache import costs, pairs, report, sets, streams, traps
from bench.cache.vectors import Vectors
from headgate.cache.semantic.embedders import EMBEDDERS

STREAM_PARTS = ("test", "train", "oos_test", "oos_train")
Results = dict[str, object]


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m bench.cache", description=__doc__)
    parser.add_argument("--sets", type=Path, default=sets.FOLDER, help=f"the labelled sets ({sets.FOLDER})")
    parser.add_argument("--vectors", type=Path, help="a folder that keeps vectors and results between runs")
    parser.add_argument("--pairs", type=int, default=6000, help="pairs of a set at most (6000)")
    parser.add_argument("--runs", type=int, default=20, help="seeded runs of the stream (20)")
    parser.add_argument("--requests", type=int, default=4000, help="requests of a run (4000)")
    parser.add_argument("--again", action="store_true", help="forget the results of earlier runs")
    parser.add_argument("--write", action="store_true", help=f"write {report.FILE.relative_to(report.TREE)}")
    return parser.parse_args()


def main() -> int:
    given = arguments()
    if not given.sets.is_dir():
        print(f"bench.cache: {given.sets} is not there, so nothing is measured; --sets names another folder")
        return 0
    kept = given.vectors / "results.json" if given.vectors else None
    results: Results = json.loads(kept.read_text()) if kept and kept.is_file() and not given.again else {}
    for name, measure in stages(given).items():
        if name not in results:
            print(f"{name} …", file=sys.stderr, flush=True)
            results[name] = measure()
            if kept:
                kept.write_text(json.dumps(results))
    text = report.render(results, given.runs, given.requests)
    print(text)
    if given.write:
        report.FILE.write_text(text)
    return 0


def stages(given: argparse.Namespace) -> dict[str, object]:
    """What is measured, each under the name that its result is kept under."""
    found = {}
    opened = {embedder: Vectors(embedder, given.vectors) for embedder in EMBEDDERS}
    for embedder, vectors in opened.items():
        for name in sets.SETS:
            found[f"pairs {embedder} {name}"] = lambda vectors=vectors, name=name: labelled(given, vectors, name)
        found[f"templates {embedder}"] = lambda vectors=vectors: templates(vectors)
        found[f"costs {embedder}"] = lambda vectors=vectors: costs.measure(vectors)
    found["variants"] = lambda: variants(given)
    found["conversations"] = traps.shared_conversations
    vectors = opened["minilm"]
    for seed in range(given.runs):
        found[f"stream {seed}"] = lambda seed=seed: streamed(given, vectors, seed)
    return found


def labelled(given: argparse.Namespace, vectors: Vectors, name: str) -> dict[str, list[int]]:
    measured = sets.measured(name, given.sets, given.pairs)
    return {served.rule: list(pairs.tally(measured, served.pairs)) for served in pairs.rules(measured, vectors)}


def templates(vectors: Vectors) -> list[int]:
    made = list(traps.templated(1, 1000))
    return [sum(traps.is_served(one, other, vectors) for one, other in made), len(made)]


def variants(given: argparse.Namespace) -> list[int]:
    texts = sorted({text for pair in sets.measured("Quora", given.sets, 1000) for text in pair[:2]})
    return [len(traps.missed_variants(texts)), 9 * len(texts)]


def streamed(given: argparse.Namespace, vectors: Vectors, seed: int) -> dict[str, list[int]]:
    rows = streams.sample(sets.intents(given.sets, *STREAM_PARTS), given.requests, seed)
    stream = streams.Stream(rows, vectors)
    return {name: list(policy(stream, seed)) for name, policy in streams.POLICIES.items()}


if __name__ == "__main__":
    sys.exit(main())
