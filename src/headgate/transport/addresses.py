"""Which addresses a caller's URL must never reach. Pure: must not resolve names or open sockets."""

from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network
from typing import Final

# Networks that lead inside, or through a translator to where we cannot see. Python's `is_global` knows most of them,
# but its table differs between versions, and it calls the translators' prefixes global: so the list is complete.
# https://www.iana.org/assignments/iana-ipv4-special-registry and iana-ipv6-special-registry (2026-11)
_FORBIDDEN: Final = tuple(
    ip_network(network)
    for network in (
        "0.0.0.0/8",  # "this network": 0.0.0.0 reaches loopback on Linux
        "10.0.0.0/8",
        "100.64.0.0/10",  # carrier-grade NAT; also Alibaba's metadata service at 100.100.100.200
        "127.0.0.0/8",
        "169.254.0.0/16",  # link-local: the clouds' metadata services
        "172.16.0.0/12",
        "192.0.0.0/24",
        "192.0.2.0/24",
        "192.88.99.0/24",  # 6to4 relays
        "192.168.0.0/16",
        "198.18.0.0/15",
        "198.51.100.0/24",
        "203.0.113.0/24",
        "224.0.0.0/3",  # multicast, reserved, broadcast
        "::/96",  # unspecified, loopback, IPv4-compatible
        "64:ff9b::/96",  # NAT64
        "64:ff9b:1::/48",
        "100::/64",
        "2001::/32",  # Teredo
        "2001:db8::/32",
        "2002::/16",  # 6to4
        "3fff::/20",
        "5f00::/16",
        "fc00::/7",  # private
        "fe80::/10",  # link-local
        "fec0::/10",  # site-local
        "ff00::/8",  # multicast
    )
)


def is_forbidden(address: str) -> bool:
    """Whether a URL that came from a caller must not lead here; what is no address is forbidden too."""
    try:
        parsed = _unwrapped(ip_address(address.partition("%")[0]))
    except ValueError:
        return True
    return not parsed.is_global or any(parsed in network for network in _FORBIDDEN)


def _unwrapped(address: IPv4Address | IPv6Address) -> IPv4Address | IPv6Address:
    """The IPv4 address inside an IPv4-mapped one: the kernel dials the former when given the latter."""
    if isinstance(address, IPv6Address) and address.ipv4_mapped is not None:
        return address.ipv4_mapped
    return address
