"""Organisations and teams, their administrators, what was spent, and the ledger of prepaid credit."""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"

_KEEPING = (
    "CREATE TRIGGER {table}_keep_{verb} BEFORE {verb} ON {table} "
    "BEGIN SELECT RAISE(ABORT, '{table} are only added to'); END"
)


def upgrade() -> None:
    """Makes their tables, and keeps what is only added to from being changed."""
    _create_tenants()
    _create_spend()
    _create_transfers()
    for table in ("audit", "transfers"):
        for verb in ("UPDATE", "DELETE"):
            op.execute(_KEEPING.format(table=table, verb=verb))


def _number() -> sa.BigInteger:
    return sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def _texts(*names: str) -> list[sa.Column[str]]:
    return [sa.Column(name, sa.Text, nullable=False) for name in names]


def _create_tenants() -> None:
    op.create_table(
        "tenants",
        sa.Column("id", sa.Text, primary_key=True),
        *_texts("kind", "parent", "name", "terms"),
        *(sa.Column(name, _number(), nullable=False) for name in ("created_us", "revision")),
        sqlite_strict=True,
    )
    op.create_index("tenants_by_revision", "tenants", ["revision"])


def _create_spend() -> None:
    op.create_table(
        "spend",
        sa.Column("quarter_us", _number(), primary_key=True),
        *(sa.Column(name, sa.Text, primary_key=True) for name in ("key_id", "user", "model", "provider", "upstream")),
        *(
            sa.Column(name, _number(), nullable=False)
            for name in ("calls", "input_tokens", "output_tokens", "cost_nano_usd", "charge_nano_usd")
        ),
        sqlite_strict=True,
    )
    op.create_index("spend_by_key", "spend", ["key_id", "quarter_us"])


def _create_transfers() -> None:
    op.create_table(
        "transfers",
        sa.Column("seq", _number(), primary_key=True),
        sa.Column("id", sa.Text, nullable=False, unique=True),
        sa.Column("at_us", _number(), nullable=False),
        *_texts("debit", "credit"),
        sa.Column("nano_usd", _number(), nullable=False),
        *_texts("kind", "detail"),
        sqlite_strict=True,
    )
    op.create_index("transfers_by_debit", "transfers", ["debit", "seq"])
    op.create_index("transfers_by_credit", "transfers", ["credit", "seq"])
