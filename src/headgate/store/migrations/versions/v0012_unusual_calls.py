"""Indexes of what few calls have: a user, a session, a failure, a status other than 200."""

import sqlalchemy as sa
from alembic import op

revision = "0012"
down_revision = "0011"


def upgrade() -> None:
    """Makes them."""
    for name, unusual in (
        ("user", "\"user\" <> ''"),
        ("session", "session <> ''"),
        ("outcome", "outcome <> 'ok'"),
        ("status", "status <> 200"),
    ):
        where = sa.text(unusual)
        op.create_index(f"calls_by_{name}", "calls", [name, "seq"], sqlite_where=where, postgresql_where=where)
