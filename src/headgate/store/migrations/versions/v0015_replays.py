"""Answers to calls that brought an Idempotency-Key."""

import sqlalchemy as sa
from alembic import op

revision = "0015"
down_revision = "0014"


def upgrade() -> None:
    """Makes their table."""
    number = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
    op.create_table(
        "replays",
        *(sa.Column(name, sa.Text, primary_key=True) for name in ("owner", "key")),
        sa.Column("digest", sa.LargeBinary, nullable=False),
        *(sa.Column(name, sa.Text, nullable=False) for name in ("call_id", "claimant")),
        sa.Column("until_us", number, nullable=False),
        sa.Column("ended_us", number),
        sa.Column("status", sa.Integer, nullable=False),
        sa.Column("fields", sa.LargeBinary, nullable=False),
        sa.Column("body", sa.LargeBinary),
        sqlite_strict=True,
    )
    op.create_index("replays_by_end", "replays", ["ended_us"])
