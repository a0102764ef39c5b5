"""Answers that are used again, what was purged of them, and what they saved."""

import sqlalchemy as sa
from alembic import op

revision = "0009"
down_revision = "0008"


def upgrade() -> None:
    """Makes their tables."""
    number = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
    op.create_table(
        "answers",
        sa.Column("key", sa.LargeBinary, primary_key=True),
        *(
            sa.Column(name, sa.Text, nullable=False)
            for name in ("key_id", "team", "organisation", "namespace", "model", "provider", "upstream", "tags")
        ),
        *(sa.Column(name, number, nullable=False) for name in ("stored_us", "expires_us", "worth", "size_bytes")),
        sa.Column("blob", sa.LargeBinary, nullable=False),
        sqlite_strict=True,
    )
    op.create_index("answers_by_expiry", "answers", ["expires_us"])
    op.create_index("answers_by_worth", "answers", ["worth", "stored_us"])
    op.create_table(
        "purges",
        sa.Column("seq", number, primary_key=True),
        sa.Column("at_us", number, nullable=False),
        sa.Column("what", sa.Text, nullable=False),
        sqlite_strict=True,
    )
    op.create_table(
        "savings",
        sa.Column("day_us", number, primary_key=True),
        *(sa.Column(name, sa.Text, primary_key=True) for name in ("key_id", "route", "model", "how")),
        *(
            sa.Column(name, number, nullable=False)
            for name in ("calls", "input_tokens", "output_tokens", "nano_usd", "ms")
        ),
        sqlite_strict=True,
    )
    op.create_index("savings_by_key", "savings", ["key_id", "day_us"])
