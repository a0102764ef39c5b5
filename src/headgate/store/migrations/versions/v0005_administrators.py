"""Administrators of organisations and teams, and the chain that the lines of the audit hang on."""

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"

_KEEPING = (
    "CREATE TRIGGER audit_links_keep_{verb} BEFORE {verb} ON audit_links "
    "BEGIN SELECT RAISE(ABORT, 'audit_links are only added to'); END"
)


def upgrade() -> None:
    """Makes their tables, and keeps the chain from being changed."""
    op.create_table(
        "audit_links",
        sa.Column("id", _number(), primary_key=True),
        *_texts("organisation", "team", "digest"),
        sqlite_strict=True,
    )
    op.create_index("audit_links_by_organisation", "audit_links", ["organisation", "id"])
    op.create_table(
        "administrators",
        sa.Column("kid", sa.Text, primary_key=True),
        sa.Column("hmac", sa.LargeBinary, nullable=False),
        *_texts("pepper", "name", "role", "organisation", "team"),
        sa.Column("created_us", _number(), nullable=False),
        *(sa.Column(name, _number()) for name in ("expires_us", "revoked_us")),
        sqlite_strict=True,
    )
    for verb in ("UPDATE", "DELETE"):
        op.execute(_KEEPING.format(verb=verb))


def _number() -> sa.BigInteger:
    return sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def _texts(*names: str) -> list[sa.Column[str]]:
    return [sa.Column(name, sa.Text, nullable=False) for name in names]
