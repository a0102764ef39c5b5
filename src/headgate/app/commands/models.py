"""The list that `headgate models` prints: every name that may be asked for. Opens nothing."""

import msgspec

from headgate.app.compiled import compile_setup
from headgate.app.config import Setup
from headgate.ledger.prices import PriceBook


class _Page(msgspec.Struct):
    data: list[dict[str, object]]


_decode = msgspec.json.Decoder(_Page).decode


def model_rows(setup: Setup) -> list[dict[str, object]]:
    """Every name that a key for all models may ask for, as `GET /v1/models` lists them."""
    compiled = compile_setup(setup, PriceBook(), now_s=0)
    return _decode(compiled.listing.page("openai", None, {})).data
