"""Alerts on their way out."""

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"


def upgrade() -> None:
    """Makes their table."""
    number = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
    op.create_table(
        "outbox",
        sa.Column("id", sa.Text, primary_key=True),
        *(sa.Column(name, number, nullable=False) for name in ("at_us", "next_us", "attempts")),
        *(sa.Column(name, sa.Text, nullable=False) for name in ("channel", "body", "error")),
        sa.Column("sent_us", number),
        sqlite_strict=True,
    )
    op.create_index("outbox_by_next", "outbox", ["sent_us", "next_us"])
