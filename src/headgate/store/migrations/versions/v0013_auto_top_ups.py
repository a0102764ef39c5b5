"""Which accounts are topped up by themselves."""

import sqlalchemy as sa
from alembic import op

revision = "0013"
down_revision = "0012"


def upgrade() -> None:
    """Makes their table."""
    number = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
    op.create_table(
        "auto_top_ups",
        sa.Column("account", sa.Text, primary_key=True),
        sa.Column("customer", sa.Text, nullable=False),
        *(sa.Column(name, number, nullable=False) for name in ("below_nano_usd", "nano_usd", "month_nano_usd_max")),
        sa.Column("failed_us", number),
        sa.Column("error", sa.Text, nullable=False),
        sqlite_strict=True,
    )
