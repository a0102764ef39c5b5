"""Which edition of the price book held since when, and what it said of the models that were used."""

import sqlalchemy as sa
from alembic import op

revision = "0008"
down_revision = "0007"

_KEEPING = {
    "sqlite": tuple(
        "CREATE TRIGGER {table}_keep_VERB BEFORE VERB ON {table} "
        "BEGIN SELECT RAISE(ABORT, '{table} are only added to'); END".replace("VERB", verb)
        for verb in ("UPDATE", "DELETE")
    ),
    "postgresql": (
        "CREATE TRIGGER {table}_keep BEFORE UPDATE OR DELETE OR TRUNCATE ON {table} "
        "FOR EACH STATEMENT EXECUTE FUNCTION only_added_to()",
    ),
}


def upgrade() -> None:
    """Makes their tables, and keeps them from being changed."""
    number = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
    op.create_table(
        "price_editions",
        sa.Column("since_us", number, primary_key=True),
        sa.Column("version", sa.Text, nullable=False),
        sqlite_strict=True,
    )
    op.create_table(
        "prices",
        *(sa.Column(name, sa.Text, primary_key=True) for name in ("version", "provider", "model")),
        sa.Column("price", sa.Text, nullable=False),
        sqlite_strict=True,
    )
    for table in ("price_editions", "prices"):
        for statement in _KEEPING[op.get_bind().dialect.name]:
            op.execute(statement.format(table=table))
