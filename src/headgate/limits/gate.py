"""What holds for a caller: whether it may come in at all, what it may use. Must not know how it came."""

from ipaddress import IPv4Network, IPv6Network, ip_address

from msgspec import Struct

from headgate.core.problems import Forbidden
from headgate.limits.holds import Allowance


class Gate(Struct, frozen=True):
    """What a key's levels demand together."""

    is_blocked: bool = False
    endpoints: frozenset[str] | None = None
    """Those allowed; None: all."""
    addresses: tuple[tuple[IPv4Network | IPv6Network, ...], ...] = ()
    """One of each group must hold the caller's."""

    def check(self, endpoint: str, address: str) -> None:
        """Raises `Forbidden`. `address`: where the call comes from; empty: from within this process."""
        if self.is_blocked:
            raise Forbidden("This key is blocked. Whoever gave it to you can lift that.", code="key_blocked")
        if self.endpoints is not None and endpoint not in self.endpoints:
            raise Forbidden(
                f"This key may not use the endpoint {endpoint!r}; it may use: {', '.join(sorted(self.endpoints))}.",
                code="endpoint_not_allowed",
            )
        if self.addresses and address and not self._is_near(address):
            raise Forbidden(f"This key may not be used from {address}.", code="address_not_allowed")

    def _is_near(self, address: str) -> bool:
        try:
            there = ip_address(address)
        except ValueError:
            return False
        mapped = there.ipv4_mapped if there.version == 6 else None
        return all(any((mapped or there) in network for network in group) for group in self.addresses)


class Limited(Struct, frozen=True, kw_only=True):
    """All of it; a caller for whom nothing holds has none."""

    gate: Gate | None = None
    allowance: Allowance | None = None
