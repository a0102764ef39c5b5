"""Pending transfers and what came of them, promotions that end, coupons and who has redeemed them."""

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"

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
    _create_proposals()
    op.create_table(
        "promotions",
        sa.Column("id", sa.Text, primary_key=True),
        *_texts("account"),
        *_numbers("expires_us"),
        sqlite_strict=True,
    )
    op.create_index("promotions_by_end", "promotions", ["expires_us"])
    _create_coupons()
    for table in ("proposals", "resolutions", "coupon_uses"):
        for statement in _KEEPING[op.get_bind().dialect.name]:
            op.execute(statement.format(table=table))


def _texts(*names: str) -> list[sa.Column[str]]:
    return [sa.Column(name, sa.Text, nullable=False) for name in names]


def _numbers(*names: str, nullable: bool = False) -> list[sa.Column[int]]:
    number = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
    return [sa.Column(name, number, nullable=nullable) for name in names]


def _create_proposals() -> None:
    op.create_table(
        "proposals",
        sa.Column("id", sa.Text, primary_key=True),
        *_numbers("at_us"),
        *_texts("debit", "credit"),
        *_numbers("nano_usd"),
        *_texts("kind"),
        *_numbers("expires_us", nullable=True),
        *_texts("detail"),
        sqlite_strict=True,
    )
    op.create_index("proposals_by_debit", "proposals", ["debit"])
    op.create_index("proposals_by_credit", "proposals", ["credit"])
    op.create_table(
        "resolutions", sa.Column("id", sa.Text, primary_key=True), *_numbers("at_us", "nano_usd"), sqlite_strict=True
    )


def _create_coupons() -> None:
    op.create_table(
        "coupons",
        sa.Column("id", sa.Text, primary_key=True),
        sa.Column("digest", sa.LargeBinary, nullable=False, unique=True),
        *_numbers("nano_usd", "uses_max"),
        *_texts("note"),
        *_numbers("created_us"),
        *_numbers("expires_us", "lasts_us", "revoked_us", nullable=True),
        sqlite_strict=True,
    )
    op.create_table(
        "coupon_uses",
        *(sa.Column(name, sa.Text, primary_key=True) for name in ("coupon", "organisation")),
        *_texts("account"),
        *_numbers("at_us"),
        sqlite_strict=True,
    )
