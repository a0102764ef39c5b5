"""Every limit of the pool, with its unit and its default."""

from msgspec import Struct


class PoolSettings(Struct, frozen=True, kw_only=True):
    """How many, how long, how much: for each origin (scheme, host and port) unless said otherwise."""

    connections_per_origin_max: int = 1000
    """Open or being opened; beyond it a request waits for one to come free."""
    waiting_per_origin_max: int = 1000
    """Requests that wait for a connection; the next one fails at once (LOCAL)."""
    wait_s_max: float = 10.0
    """How long a request waits for a connection before it fails (LOCAL); never longer than its own `head_s`."""
    idle_per_origin_max: int = 256
    """Connections kept open without a request."""
    idle_s_max: float = 55.0
    """How long one is kept: below the 60 s after which common load balancers close silently."""
    origins_max: int = 1024
    """Origins remembered at a time, of the whole pool."""
    head_bytes_max: int = 64 * 1024
    """Of an answer: status line and headers; also trailers, or any bytes that bring no body."""
    head_fields_max: int = 200
    unread_bytes_high: int = 256 * 1024
    """Unread bytes of an answer above which the upstream is told to wait."""
    inflated_bytes_max: int = 64 * 1024 * 1024
    """Of a compressed answer, once inflated."""
    inflated_ratio_max: int = 100
    """Inflated to compressed bytes, beyond the first MiB."""
    stagger_s: float = 0.25
    """How long one address of a host may stay silent before the next is tried as well."""
    name_s_fresh: float = 30.0
    """How long a host's addresses are used without asking again."""
    name_s_stale: float = 3600.0
    """How long they serve when the resolver fails or stays silent."""
    name_s_patience: float = 1.0
    """How long a resolver may stay silent when older addresses are known."""
    public_only: bool = False
    """Refuse addresses that are not public: for URLs that did not come from the operator."""
