"""Organisations and teams, their administrators, what was spent, and the ledger of prepaid credit."""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"

_KEEPING = {
    "sqlite": tuple(
        "CREATE TRIGGER {table}_keep_VERB BEFORE VERB ON {table} "
        "BEGIN SELECT RAISE(ABORT, '{table} are only added to'); END".replace("VERB", verb)
        for verb in ("UPDATE", "DELETE")
    ),
    "postgresql": (
        "CREATE OR REPLACE FUNCTION only_added_to() RETURNS trigger LANGUAGE plpgsql AS "
        "$$ BEGIN RAISE EXCEPTION '% are only added to', TG_TABLE_NAME; END $$",
        "CREATE TRIGGER {table}_keep BEFORE UPDATE OR DELETE OR TRUNCATE ON {table} "
        "FOR EACH STATEMENT EXECUTE FUNCTION only_added_to()",
    ),
}


def upgrade() -> None:
    """Makes their tables, and keeps what is only added to from being changed."""
    _create_tenants()
    _create_spend()
    _create_transfers()
    for table in ("audit", "transfers"):
        for statement in _KEEPING[op.get_bind().dialect.name]:
            op.execute(statement.format(table=table))


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
