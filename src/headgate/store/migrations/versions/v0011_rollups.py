"""Rollups: what calls and attempts come to by minute, hour and day. The applier fills them from the calls."""

import sqlalchemy as sa
from alembic import op

revision = "0011"
down_revision = "0009"

_BINS = 25
_SUMS = (
    *("calls", "failed", "refused", "gone", "attempts", "failovers", "hedges"),
    *("input_tokens", "cached_tokens", "output_tokens", "cost_nano_usd", "charge_nano_usd"),
    *("duration_us", "overhead_us", "ttft_us", "spoken_tokens", "spoken_us"),
    *(f"d{at}" for at in range(_BINS)),
    *(f"t{at}" for at in range(_BINS)),
)
_ATTEMPT_SUMS = (
    *("attempts", "hedges", "cost_nano_usd", "duration_us", "ttft_us"),
    *(f"t{at}" for at in range(_BINS)),
)


def upgrade() -> None:
    """Makes their tables."""
    _make("rollups", ("key_id", "model", "provider", "upstream", "route"), _SUMS)
    _make("attempt_rollups", ("provider", "upstream", "outcome"), _ATTEMPT_SUMS)


def _make(name: str, place: tuple[str, ...], sums: tuple[str, ...]) -> None:
    number = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
    op.create_table(
        name,
        sa.Column("grain_s", sa.Integer, primary_key=True),
        sa.Column("start_us", number, primary_key=True),
        *(sa.Column(each, sa.Text, primary_key=True) for each in place),
        *(sa.Column(each, number, nullable=False) for each in sums),
        sqlite_strict=True,
        sqlite_with_rowid=False,
    )
