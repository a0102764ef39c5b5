"""What was spent by calls with a tag, likewise summed up."""

import sqlalchemy as sa
from alembic import op

revision = "0014"
down_revision = "0013"

_NAMES = ("key_id", "user", "model", "provider", "upstream")
_SUMS = ("calls", "input_tokens", "output_tokens", "cost_nano_usd", "charge_nano_usd")


def upgrade() -> None:
    """Makes their table."""
    number = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
    op.create_table(
        "spend_by_tag",
        sa.Column("tag", sa.Text, primary_key=True),
        sa.Column("quarter_us", number, primary_key=True),
        *(sa.Column(name, sa.Text, primary_key=True) for name in _NAMES),
        *(sa.Column(name, number, nullable=False) for name in _SUMS),
        sqlite_strict=True,
    )
