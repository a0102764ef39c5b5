"""The tables. Money is integer nano-USD, time integer microseconds; a truth is 0 or 1. Must not know who asks.

Changing one takes a migration in `migrations/versions` as well: a test compares what both make.
"""

from sqlalchemy import DDL, BigInteger, Column, Index, Integer, LargeBinary, MetaData, Table, Text, event, text

METADATA = MetaData()

# SQLite's strict tables know INTEGER only, which has 64 bits there.
Number = BigInteger().with_variant(Integer(), "sqlite")
INT64_MAX = 2**63 - 1

META = Table(
    "meta",
    METADATA,
    Column("name", Text, primary_key=True),
    Column("value", Text, nullable=False),
    sqlite_strict=True,
)

CALLS = Table(
    "calls",
    METADATA,
    Column("seq", Number, primary_key=True, comment="the order in which calls were kept: that of lists and pages"),
    Column("id", Text, nullable=False, unique=True),
    Column("started_us", Number, nullable=False),
    Column("key_id", Text, nullable=False),
    Column("surface", Text, nullable=False),
    Column("operation", Text, nullable=False),
    Column("model", Text, nullable=False),
    Column("is_stream", Integer, nullable=False),
    Column("user", Text, nullable=False),
    Column("session", Text, nullable=False),
    Column("route", Text, nullable=False),
    Column("status", Integer, nullable=False),
    Column("outcome", Text, nullable=False),
    Column("attempts", Integer, nullable=False),
    Column("input_tokens", Number, nullable=False),
    Column("cached_tokens", Number, nullable=False),
    Column("output_tokens", Number, nullable=False),
    Column("usage_source", Text, nullable=False),
    Column("cost_nano_usd", Number, nullable=False),
    Column("is_priced", Integer, nullable=False),
    Column("ttft_us", Number),
    Column("duration_us", Number, nullable=False),
    Column("record", Text, nullable=False, comment="the whole record as JSON, its attempts too"),
    Index("calls_by_key", "key_id", "seq"),
    Index("calls_by_model", "model", "seq"),
    # of what most calls do not have, so that keeping those costs nothing
    *(
        Index(f"calls_by_{name}", name, "seq", sqlite_where=text(unusual), postgresql_where=text(unusual))
        for name, unusual in (
            ("user", "\"user\" <> ''"),
            ("session", "session <> ''"),
            ("outcome", "outcome <> 'ok'"),
            ("status", "status <> 200"),
        )
    ),
    sqlite_strict=True,
)

KEYS = Table(
    "keys",
    METADATA,
    Column("kid", Text, primary_key=True),
    Column("hmac", LargeBinary, nullable=False),
    Column("pepper", Text, nullable=False, comment="which pepper: its fingerprint"),
    Column("name", Text, nullable=False),
    Column("team", Text, nullable=False),
    Column("models", Text, comment="JSON list; null: all"),
    Column("limits", Text, nullable=False, comment="JSON object"),
    Column("created_us", Number, nullable=False),
    Column("expires_us", Number),
    Column("revoked_us", Number),
    Column("revision", Number, nullable=False, comment="counts the changes of this table"),
    Index("keys_by_revision", "revision"),
    sqlite_strict=True,
)

MINTED = Table(
    "minted",
    METADATA,
    Column("digest", LargeBinary, primary_key=True, comment="of owner and id: no other owner finds it"),
    Column("owner", Text, nullable=False),
    Column("kind", Text, nullable=False),
    Column("provider", Text, nullable=False),
    Column("model", Text, nullable=False),
    Column("created_us", Number, nullable=False),
    Column("expires_us", Number, nullable=False, comment="0: never"),
    Index("minted_by_expiry", "expires_us"),
    sqlite_strict=True,
)

UNBILLED = Table(
    "unbilled",
    METADATA,
    Column("digest", LargeBinary, primary_key=True, comment="of owner and id, as in `minted`"),
    Column("id", Text, nullable=False),
    Column("owner", Text, nullable=False),
    Column("key_id", Text, nullable=False),
    Column("provider", Text, nullable=False),
    Column("path", Text, nullable=False, comment="below the base of the provider's API"),
    Column("since_us", Number, nullable=False),
    Column("due_us", Number, nullable=False, comment="when to look at it next"),
    Column("looks", Integer, nullable=False),
    Index("unbilled_by_due", "due_us"),
    sqlite_strict=True,
)

OWN_THINGS = Table(
    "own_things",
    METADATA,
    Column("id", Text, primary_key=True),
    Column("owner", Text, nullable=False),
    Column("kind", Text, nullable=False),
    Column("status", Text, nullable=False),
    Column("created_us", Number, nullable=False),
    Column("document", Text, nullable=False, comment="JSON object"),
    Index("own_things_by_owner", "owner", "kind", "created_us"),
    sqlite_strict=True,
)

AUDIT = Table(
    "audit",
    METADATA,
    Column("id", Integer, primary_key=True),
    Column("at_us", Number, nullable=False),
    Column("actor", Text, nullable=False),
    Column("action", Text, nullable=False),
    Column("object", Text, nullable=False),
    Column("detail", Text, nullable=False, comment="JSON object"),
    Index("audit_by_time", "at_us"),
    sqlite_strict=True,
)

AUDIT_LINKS = Table(
    "audit_links",
    METADATA,
    Column("id", Number, primary_key=True, comment="of the line in `audit`"),
    Column("organisation", Text, nullable=False, comment="whose affair it is; empty: the operator's"),
    Column("team", Text, nullable=False),
    Column("digest", Text, nullable=False, comment="SHA-256 of the digest before it and of the line"),
    Index("audit_links_by_organisation", "organisation", "id"),
    sqlite_strict=True,
)

OUTBOX = Table(
    "outbox",
    METADATA,
    Column("id", Text, primary_key=True, comment="says what it tells, and how: the same is sent once"),
    Column("at_us", Number, nullable=False),
    Column("next_us", Number, nullable=False, comment="when to try next"),
    Column("attempts", Number, nullable=False),
    Column("channel", Text, nullable=False),
    Column("body", Text, nullable=False, comment="JSON object"),
    Column("error", Text, nullable=False),
    Column("sent_us", Number),
    Index("outbox_by_next", "sent_us", "next_us"),
    sqlite_strict=True,
)

ADMINISTRATORS = Table(
    "administrators",
    METADATA,
    Column("kid", Text, primary_key=True),
    Column("hmac", LargeBinary, nullable=False),
    Column("pepper", Text, nullable=False, comment="which pepper: its fingerprint"),
    Column("name", Text, nullable=False),
    Column("role", Text, nullable=False, comment="owner, admin, member or viewer"),
    Column("organisation", Text, nullable=False),
    Column("team", Text, nullable=False, comment="empty: the whole organisation"),
    Column("created_us", Number, nullable=False),
    Column("expires_us", Number),
    Column("revoked_us", Number),
    sqlite_strict=True,
)

TENANTS = Table(
    "tenants",
    METADATA,
    Column("id", Text, primary_key=True),
    Column("kind", Text, nullable=False, comment="organisation or team"),
    Column("parent", Text, nullable=False, comment="a team's organisation; empty: it is one"),
    Column("name", Text, nullable=False),
    Column("terms", Text, nullable=False, comment="JSON object"),
    Column("created_us", Number, nullable=False),
    Column("revision", Number, nullable=False, comment="counts the changes of this table"),
    Index("tenants_by_revision", "revision"),
    sqlite_strict=True,
)

SPEND = Table(
    "spend",
    METADATA,
    Column("quarter_us", Number, primary_key=True, comment="when the calls began, to the quarter of an hour"),
    Column("key_id", Text, primary_key=True),
    Column("user", Text, primary_key=True),
    Column("model", Text, primary_key=True, comment="as asked for"),
    Column("provider", Text, primary_key=True, comment="the one that answered"),
    Column("upstream", Text, primary_key=True, comment="that one's name of the model"),
    Column("calls", Number, nullable=False),
    Column("input_tokens", Number, nullable=False),
    Column("output_tokens", Number, nullable=False),
    Column("cost_nano_usd", Number, nullable=False, comment="what the operator pays"),
    Column("charge_nano_usd", Number, nullable=False, comment="what the caller does"),
    Index("spend_by_key", "key_id", "quarter_us"),
    sqlite_strict=True,
)

# How long things took, in bins: everything below the first bound, up to each next one, and beyond the last.
BOUNDS_MS = tuple(step * 10**power for power in range(1, 5) for step in (1, 1.5, 2.2, 3.3, 4.7, 6.8))
DURATION_BINS = tuple(f"d{at}" for at in range(len(BOUNDS_MS) + 1))
TTFT_BINS = tuple(f"t{at}" for at in range(len(BOUNDS_MS) + 1))

ROLLUPS = Table(
    "rollups",
    METADATA,
    Column("grain_s", Integer, primary_key=True, comment="60, 3600 or 86400: how much time a row sums up"),
    Column("start_us", Number, primary_key=True, comment="when that time begins"),
    Column("key_id", Text, primary_key=True),
    Column("model", Text, primary_key=True, comment="as asked for"),
    Column("provider", Text, primary_key=True, comment="the one that answered"),
    Column("upstream", Text, primary_key=True, comment="that one's name of the model"),
    Column("route", Text, primary_key=True),
    Column("calls", Number, nullable=False),
    Column("failed", Number, nullable=False, comment="for which neither caller nor limits were to blame"),
    Column("refused", Number, nullable=False, comment="for which they were"),
    Column("gone", Number, nullable=False, comment="whose client went away"),
    Column("attempts", Number, nullable=False),
    Column("failovers", Number, nullable=False, comment="attempts made in place of others"),
    Column("hedges", Number, nullable=False, comment="attempts made beside slow ones"),
    Column("input_tokens", Number, nullable=False),
    Column("cached_tokens", Number, nullable=False),
    Column("output_tokens", Number, nullable=False),
    Column("cost_nano_usd", Number, nullable=False),
    Column("charge_nano_usd", Number, nullable=False),
    Column("duration_us", Number, nullable=False),
    Column("overhead_us", Number, nullable=False, comment="of that, our own"),
    Column("ttft_us", Number, nullable=False),
    Column("spoken_tokens", Number, nullable=False, comment="that came after a first one whose time is known"),
    Column("spoken_us", Number, nullable=False, comment="in so much time"),
    *(Column(name, Number, nullable=False) for name in (*DURATION_BINS, *TTFT_BINS)),
    sqlite_strict=True,
    sqlite_with_rowid=False,
)

ATTEMPT_ROLLUPS = Table(
    "attempt_rollups",
    METADATA,
    Column("grain_s", Integer, primary_key=True),
    Column("start_us", Number, primary_key=True),
    Column("provider", Text, primary_key=True),
    Column("upstream", Text, primary_key=True),
    Column("outcome", Text, primary_key=True),
    Column("attempts", Number, nullable=False),
    Column("hedges", Number, nullable=False),
    Column("cost_nano_usd", Number, nullable=False),
    Column("duration_us", Number, nullable=False),
    Column("ttft_us", Number, nullable=False),
    *(Column(name, Number, nullable=False) for name in TTFT_BINS),
    sqlite_strict=True,
    sqlite_with_rowid=False,
)

SPEND_BY_TAG = Table(
    "spend_by_tag",
    METADATA,
    Column("tag", Text, primary_key=True),
    Column("quarter_us", Number, primary_key=True, comment="when the calls began, to the quarter of an hour"),
    Column("key_id", Text, primary_key=True),
    Column("user", Text, primary_key=True),
    Column("model", Text, primary_key=True, comment="as asked for"),
    Column("provider", Text, primary_key=True, comment="the one that answered"),
    Column("upstream", Text, primary_key=True, comment="that one's name of the model"),
    Column("calls", Number, nullable=False),
    Column("input_tokens", Number, nullable=False),
    Column("output_tokens", Number, nullable=False),
    Column("cost_nano_usd", Number, nullable=False, comment="what the operator pays"),
    Column("charge_nano_usd", Number, nullable=False, comment="what the caller does"),
    sqlite_strict=True,
)

TRANSFERS = Table(
    "transfers",
    METADATA,
    Column("seq", Number, primary_key=True),
    Column("id", Text, nullable=False, unique=True, comment="says what it is for: the same one is posted once"),
    Column("at_us", Number, nullable=False),
    Column("debit", Text, nullable=False, comment="the account that it comes from"),
    Column("credit", Text, nullable=False, comment="the account that it goes to"),
    Column("nano_usd", Number, nullable=False),
    Column("kind", Text, nullable=False),
    Column("detail", Text, nullable=False, comment="JSON object"),
    Index("transfers_by_debit", "debit", "seq"),
    Index("transfers_by_credit", "credit", "seq"),
    sqlite_strict=True,
)

ANSWERS = Table(
    "answers",
    METADATA,
    Column("key", LargeBinary, primary_key=True, comment="an HMAC over everything that was asked, and by whom"),
    Column("key_id", Text, nullable=False, comment="who asked for it"),
    Column("team", Text, nullable=False),
    Column("organisation", Text, nullable=False),
    Column("namespace", Text, nullable=False),
    Column("model", Text, nullable=False, comment="as asked for"),
    Column("provider", Text, nullable=False),
    Column("upstream", Text, nullable=False, comment="the provider's name of the model"),
    Column("tags", Text, nullable=False, comment="each between two line breaks"),
    Column("stored_us", Number, nullable=False),
    Column("expires_us", Number, nullable=False),
    Column("worth", Number, nullable=False, comment="what it saves each time, in nano-USD per thousand bytes"),
    Column("size_bytes", Number, nullable=False),
    Column("blob", LargeBinary, nullable=False, comment="the entry behind its seal"),
    Index("answers_by_expiry", "expires_us"),
    Index("answers_by_worth", "worth", "stored_us"),
    sqlite_strict=True,
)

PURGES = Table(
    "purges",
    METADATA,
    Column("seq", Number, primary_key=True),
    Column("at_us", Number, nullable=False),
    Column("what", Text, nullable=False, comment="JSON object"),
    sqlite_strict=True,
)

SAVINGS = Table(
    "savings",
    METADATA,
    Column("day_us", Number, primary_key=True, comment="when the calls began, to the day (UTC)"),
    Column("key_id", Text, primary_key=True),
    Column("route", Text, primary_key=True),
    Column("model", Text, primary_key=True, comment="as asked for"),
    Column("how", Text, primary_key=True, comment="hit, coalesced or provider"),
    Column("calls", Number, nullable=False),
    Column("input_tokens", Number, nullable=False),
    Column("output_tokens", Number, nullable=False),
    Column("nano_usd", Number, nullable=False),
    Column("ms", Number, nullable=False),
    Index("savings_by_key", "key_id", "day_us"),
    sqlite_strict=True,
)

PROPOSALS = Table(
    "proposals",
    METADATA,
    Column("id", Text, primary_key=True, comment="that of the transfer that may come of it"),
    Column("at_us", Number, nullable=False),
    Column("debit", Text, nullable=False),
    Column("credit", Text, nullable=False),
    Column("nano_usd", Number, nullable=False, comment="at most"),
    Column("kind", Text, nullable=False),
    Column("expires_us", Number),
    Column("detail", Text, nullable=False, comment="JSON object"),
    Index("proposals_by_debit", "debit"),
    Index("proposals_by_credit", "credit"),
    sqlite_strict=True,
)

RESOLUTIONS = Table(
    "resolutions",
    METADATA,
    Column("id", Text, primary_key=True, comment="of a pending transfer: so each is resolved once"),
    Column("at_us", Number, nullable=False),
    Column("nano_usd", Number, nullable=False, comment="what was posted; 0: void"),
    sqlite_strict=True,
)

PROMOTIONS = Table(
    "promotions",
    METADATA,
    Column("id", Text, primary_key=True, comment="of the transfer that gave it"),
    Column("account", Text, nullable=False),
    Column("expires_us", Number, nullable=False),
    Index("promotions_by_end", "expires_us"),
    sqlite_strict=True,
)

COUPONS = Table(
    "coupons",
    METADATA,
    Column("id", Text, primary_key=True),
    Column("digest", LargeBinary, nullable=False, unique=True, comment="of the code, which is not kept"),
    Column("nano_usd", Number, nullable=False),
    Column("uses_max", Number, nullable=False),
    Column("note", Text, nullable=False),
    Column("created_us", Number, nullable=False),
    Column("expires_us", Number, comment="until when it can be redeemed"),
    Column("lasts_us", Number, comment="how long the credit lasts that comes of it"),
    Column("revoked_us", Number),
    sqlite_strict=True,
)

COUPON_USES = Table(
    "coupon_uses",
    METADATA,
    Column("coupon", Text, primary_key=True),
    Column("organisation", Text, primary_key=True, comment="or the account itself, if it belongs to none"),
    Column("account", Text, nullable=False),
    Column("at_us", Number, nullable=False),
    sqlite_strict=True,
)

AUTO_TOP_UPS = Table(
    "auto_top_ups",
    METADATA,
    Column("account", Text, primary_key=True),
    Column("customer", Text, nullable=False, comment="who pays, as the payment provider calls them"),
    Column("below_nano_usd", Number, nullable=False, comment="when less is left; 0: never"),
    Column("nano_usd", Number, nullable=False),
    Column("month_nano_usd_max", Number, nullable=False),
    Column("failed_us", Number, comment="when a payment failed: none is tried since"),
    Column("error", Text, nullable=False),
    sqlite_strict=True,
)

PRICE_EDITIONS = Table(
    "price_editions",
    METADATA,
    Column("since_us", Number, primary_key=True),
    Column("version", Text, nullable=False, comment="as calls name it"),
    sqlite_strict=True,
)

PRICES = Table(
    "prices",
    METADATA,
    Column("version", Text, primary_key=True),
    Column("provider", Text, primary_key=True),
    Column("model", Text, primary_key=True, comment="the provider's name of it"),
    Column("price", Text, nullable=False, comment="JSON array: prices and when they hold"),
    sqlite_strict=True,
)

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
# who must change what is written there drops these first, and is seen to have
for _table in (AUDIT, AUDIT_LINKS, TRANSFERS, PROPOSALS, RESOLUTIONS, COUPON_USES, PRICE_EDITIONS, PRICES):
    for _dialect, _statements in _KEEPING.items():
        for _statement in _statements:
            _ddl = DDL(_statement.format(table=_table.name).replace("%", "%%"))
            event.listen(_table, "after_create", _ddl.execute_if(dialect=_dialect))
