"""Who is at the other end: the client's address behind proxies that we trust.

Forwarded headers are believed only as far as they were written by configured proxies; anything
else could be typed by the caller. Owns no limits; ``limit_key`` only names the party to limit.
"""

import ipaddress
from collections.abc import Iterable, Sequence
from functools import lru_cache

Network = ipaddress.IPv4Network | ipaddress.IPv6Network
Address = ipaddress.IPv4Address | ipaddress.IPv6Address

UNKNOWN = "unknown"
_MAX_HOPS = 32


class ProxyTrust:
    """Resolves client addresses for one set of trusted networks."""

    def __init__(self, networks: Iterable[str] = ()) -> None:
        """Take addresses or CIDR networks; raises ``ValueError`` on one that is neither."""
        self._networks: tuple[Network, ...] = tuple(
            ipaddress.ip_network(network, strict=False) for network in networks
        )
        self._trusts = lru_cache(maxsize=1024)(self._lookup)

    def trusts(self, address: str) -> bool:
        """True when ``address`` belongs to a configured proxy."""
        return bool(self._networks) and self._trusts(address)

    def client(self, peer: str, forwarded_for: Sequence[str]) -> str:
        """Return the client's address.

        ``peer`` is the socket's other end, ``forwarded_for`` the X-Forwarded-For values in order
        of arrival. Walks from the right: every hop that is a trusted proxy vouches for the one
        before it; the first that is not is the client. A hop that is no address ends the walk at
        the proxy that wrote it.
        """
        current = normalise(peer)
        if not self.trusts(current):
            return current
        hops = [hop for value in forwarded_for for hop in value.split(",")]
        for hop in reversed(hops[-_MAX_HOPS:]):
            address = normalise(_without_port(hop.strip()))
            if address == UNKNOWN:
                return current
            current = address
            if not self.trusts(current):
                return current
        return current

    def _lookup(self, address: str) -> bool:
        parsed = _parse(address)
        return parsed is not None and any(
            parsed.version == network.version and parsed in network for network in self._networks
        )


@lru_cache(maxsize=4096)
def normalise(address: str) -> str:
    """Return the canonical text of an address (IPv4-mapped IPv6 as IPv4), or ``unknown``."""
    parsed = _parse(address)
    return UNKNOWN if parsed is None else str(parsed)


@lru_cache(maxsize=4096)
def limit_key(address: str) -> str:
    """Return whom to count: an IPv4 address, or the /64 of an IPv6 one.

    One subscriber usually holds a whole /64 (RFC 6177), so single IPv6 addresses say nothing.
    """
    parsed = _parse(address)
    if parsed is None:
        return UNKNOWN
    if isinstance(parsed, ipaddress.IPv6Address):
        network = int(parsed) >> 64 << 64
        return f"{ipaddress.IPv6Address(network)}/64"
    return str(parsed)


def _parse(address: str) -> Address | None:
    try:
        parsed = ipaddress.ip_address(address.partition("%")[0])
    except ValueError:
        return None
    if isinstance(parsed, ipaddress.IPv6Address) and parsed.ipv4_mapped is not None:
        return parsed.ipv4_mapped
    return parsed


def _without_port(hop: str) -> str:
    """Drop brackets and a port: ``[2001:db8::1]:443`` and ``192.0.2.1:80``."""
    if hop.startswith("["):
        return hop[1:].partition("]")[0]
    host, colon, _port = hop.rpartition(":")
    return host if colon and "." in host else hop
