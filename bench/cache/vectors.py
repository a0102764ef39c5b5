"""Texts as an embedder sees them, kept in a file between runs, since embedding is most of a run's time."""

import sqlite3
from pathlib import Path

import numpy as np

from headgate.cache.semantic.embedders import Embedded, open_embedder
from headgate.cache.semantic.features import Side
from headgate.cache.semantic.readings import Reading


class Vectors:
    """Sides of pairs, embedded when first asked for, one text at a time. Words' rows are kept in half precision."""

    def __init__(self, embedder: str, folder: Path | None) -> None:
        self._embedder = open_embedder(embedder)
        self.name, self.dimensions = self._embedder.name, self._embedder.dimensions
        self._kept = sqlite3.connect(
            folder / f"{embedder}.sqlite" if folder else ":memory:", timeout=60, isolation_level=None
        )
        self._kept.execute("PRAGMA synchronous = OFF")
        self._kept.execute("CREATE TABLE IF NOT EXISTS texts (text TEXT PRIMARY KEY, vector, words, unknown)")
        self._sides: dict[str, Side] = {}

    def side(self, text: str) -> Side:
        if text not in self._sides:
            reading = Reading(text)
            self._sides[text] = Side(reading, self._embedded(reading))
        return self._sides[text]

    def _embedded(self, reading: Reading) -> Embedded:
        row = self._kept.execute("SELECT vector, words, unknown FROM texts WHERE text = ?", [reading.text]).fetchone()
        if row is None:
            made = self._embedder.embed(reading.text, reading.words)
            row = (made.vector.tobytes(), made.words.astype(np.float16).tobytes(), made.unknown_share)
            self._kept.execute("INSERT OR IGNORE INTO texts VALUES (?, ?, ?, ?)", [reading.text, *row])
        words = np.frombuffer(row[1], np.float16).astype(np.float32).reshape(-1, self.dimensions)
        return Embedded(np.frombuffer(row[0], np.float32), words, row[2])
