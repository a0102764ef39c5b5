"""Makes src/headgate/ledger/prices.json from the genai-prices package (a development dependency only).

Run it after upgrading the package: `python tools/compile_prices.py`.
"""

from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path

from genai_prices.data import providers

from headgate.ledger.compiling import book

TARGET = Path(__file__).parent.parent / "src/headgate/ledger/prices.json"

if __name__ == "__main__":
    TARGET.write_text(book(providers, version("genai-prices"), datetime.now(UTC).date()), encoding="utf-8")
