"""Ids that upstreams gave to what they keep, and the gateway's own files and batches."""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    """Makes their tables."""
    number = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
    op.create_table(
        "minted",
        sa.Column("digest", sa.LargeBinary, primary_key=True),
        *(sa.Column(name, sa.Text, nullable=False) for name in ("owner", "kind", "provider", "model")),
        sa.Column("created_us", number, nullable=False),
        sa.Column("expires_us", number, nullable=False),
        sqlite_strict=True,
    )
    op.create_index("minted_by_expiry", "minted", ["expires_us"])
    op.create_table(
        "own_things",
        sa.Column("id", sa.Text, primary_key=True),
        *(sa.Column(name, sa.Text, nullable=False) for name in ("owner", "kind", "status")),
        sa.Column("created_us", number, nullable=False),
        sa.Column("document", sa.Text, nullable=False),
        sqlite_strict=True,
    )
    op.create_index("own_things_by_owner", "own_things", ["owner", "kind", "created_us"])
