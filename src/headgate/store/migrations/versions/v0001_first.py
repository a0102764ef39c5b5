"""The first tables: calls, keys, the audit, single values."""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None


def upgrade() -> None:
    """Makes everything."""
    op.create_table(
        "meta",
        sa.Column("name", sa.Text, primary_key=True),
        sa.Column("value", sa.Text, nullable=False),
        sqlite_strict=True,
    )
    _create_calls()
    _create_keys()


def _number() -> sa.BigInteger:
    return sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def _create_calls() -> None:
    op.create_table(
        "calls",
        sa.Column("seq", _number(), primary_key=True),
        sa.Column("id", sa.Text, nullable=False, unique=True),
        sa.Column("started_us", _number(), nullable=False),
        *(sa.Column(name, sa.Text, nullable=False) for name in ("key_id", "surface", "operation", "model")),
        sa.Column("is_stream", sa.Integer, nullable=False),
        *(sa.Column(name, sa.Text, nullable=False) for name in ("user", "session", "route")),
        sa.Column("status", sa.Integer, nullable=False),
        sa.Column("outcome", sa.Text, nullable=False),
        sa.Column("attempts", sa.Integer, nullable=False),
        *(sa.Column(name, _number(), nullable=False) for name in ("input_tokens", "cached_tokens", "output_tokens")),
        sa.Column("usage_source", sa.Text, nullable=False),
        sa.Column("cost_nano_usd", _number(), nullable=False),
        sa.Column("is_priced", sa.Integer, nullable=False),
        sa.Column("ttft_us", _number()),
        sa.Column("duration_us", _number(), nullable=False),
        sa.Column("record", sa.Text, nullable=False),
        sqlite_strict=True,
    )
    op.create_index("calls_by_key", "calls", ["key_id", "seq"])
    op.create_index("calls_by_model", "calls", ["model", "seq"])


def _create_keys() -> None:
    op.create_table(
        "keys",
        sa.Column("kid", sa.Text, primary_key=True),
        sa.Column("hmac", sa.LargeBinary, nullable=False),
        *(sa.Column(name, sa.Text, nullable=False) for name in ("pepper", "name", "team")),
        sa.Column("models", sa.Text),
        sa.Column("limits", sa.Text, nullable=False),
        sa.Column("created_us", _number(), nullable=False),
        *(sa.Column(name, _number()) for name in ("expires_us", "revoked_us")),
        sa.Column("revision", _number(), nullable=False),
        sqlite_strict=True,
    )
    op.create_index("keys_by_revision", "keys", ["revision"])
    op.create_table(
        "audit",
        sa.Column("id", sa.Integer, primary_key=True),
        sa.Column("at_us", _number(), nullable=False),
        *(sa.Column(name, sa.Text, nullable=False) for name in ("actor", "action", "object", "detail")),
        sqlite_strict=True,
    )
    op.create_index("audit_by_time", "audit", ["at_us"])
