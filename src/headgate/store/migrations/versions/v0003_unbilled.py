"""What providers still work on, or have done, and is in nobody's books yet."""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"


def upgrade() -> None:
    """Makes its table."""
    number = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
    op.create_table(
        "unbilled",
        sa.Column("digest", sa.LargeBinary, primary_key=True),
        *(sa.Column(name, sa.Text, nullable=False) for name in ("id", "owner", "key_id", "provider", "path")),
        sa.Column("since_us", number, nullable=False),
        sa.Column("due_us", number, nullable=False),
        sa.Column("looks", sa.Integer, nullable=False),
        sqlite_strict=True,
    )
    op.create_index("unbilled_by_due", "unbilled", ["due_us"])
