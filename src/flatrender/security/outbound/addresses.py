"""Which addresses may be called: the IANA special-purpose registries as code, and resolving.

https://www.iana.org/assignments/iana-ipv4-special-registry and iana-ipv6-special-registry.
Written out here because ``ipaddress.is_global`` differs between Python patch releases.
"""

import asyncio
import ipaddress
import re
import socket
from typing import Protocol

from flatrender.security.outbound.errors import DestinationRefused, OutboundFailed

Address = ipaddress.IPv4Address | ipaddress.IPv6Address

_REFUSED_V4 = tuple(
    ipaddress.IPv4Network(network)
    for network in (
        "0.0.0.0/8",  # "this network", unspecified
        "10.0.0.0/8",  # private
        "100.64.0.0/10",  # carrier-grade NAT
        "127.0.0.0/8",  # loopback
        "169.254.0.0/16",  # link-local, cloud metadata
        "172.16.0.0/12",  # private
        "192.0.0.0/24",  # IETF protocol assignments
        "192.0.2.0/24",  # documentation
        "192.88.99.0/24",  # 6to4 relay anycast
        "192.168.0.0/16",  # private
        "198.18.0.0/15",  # benchmarking
        "198.51.100.0/24",  # documentation
        "203.0.113.0/24",  # documentation
        "224.0.0.0/4",  # multicast
        "240.0.0.0/4",  # reserved, broadcast
    )
)
#: Everything outside global unicast is refused at once: unspecified, loopback, mapped
#: (::ffff:0:0/96), NAT64 (64:ff9b::/96 and 64:ff9b:1::/48), unique local, link-local, multicast.
_GLOBAL_V6 = ipaddress.IPv6Network("2000::/3")
_REFUSED_V6 = tuple(
    ipaddress.IPv6Network(network)
    for network in (
        "2001::/23",  # IETF protocol assignments: Teredo, benchmarking, ORCHID
        "2001:db8::/32",  # documentation
        "2002::/16",  # 6to4
        "3fff::/20",  # documentation
    )
)
_LOOPBACK_V4 = ipaddress.IPv4Network("127.0.0.0/8")
_LOOPBACK_V6 = ipaddress.IPv6Address("::1")

#: A last label of digits or of hex makes a parser read the whole host as an IPv4 address
#: (WHATWG URL, "ends in a number checker").
_NUMERIC_LABEL = re.compile(r"(?i)(?:[0-9]+|0x[0-9a-f]*)\Z")
_LABEL = re.compile(r"(?i)[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9_])?\Z")
_MAX_ADDRESSES = 16


class Resolver(Protocol):
    """Turns a name into addresses; tests give their own."""

    async def resolve(self, host: str, port: int) -> list[str]:
        """Return the addresses as text; raises ``OSError`` when there are none."""
        ...


class SystemResolver:
    """The machine's own resolver, in the loop's default executor."""

    async def resolve(self, host: str, port: int) -> list[str]:
        """Return what getaddrinfo says, without duplicates, in its order."""
        loop = asyncio.get_running_loop()
        found = await loop.getaddrinfo(host, port, type=socket.SOCK_STREAM)
        return list(dict.fromkeys(str(entry[4][0]) for entry in found))


def public_address(address: Address) -> bool:
    """True when ``address`` is an ordinary address of the public internet."""
    if isinstance(address, ipaddress.IPv4Address):
        return not any(address in network for network in _REFUSED_V4)
    if address.scope_id is not None or address not in _GLOBAL_V6:
        return False
    return not any(address in network for network in _REFUSED_V6)


def loopback_address(address: Address) -> bool:
    """True for 127.0.0.0/8 and ::1 in their own forms; mapped forms are refused always."""
    if isinstance(address, ipaddress.IPv4Address):
        return address in _LOOPBACK_V4
    return address == _LOOPBACK_V6


def parse_host(host: str) -> str | Address:
    """Return an address for a canonical literal, else the host name in lower case ASCII.

    Raises :class:`DestinationRefused` for what is neither: ``127.1``, ``2130706433``,
    ``0x7f000001``, ``0177.0.0.1``, empty and malformed names, scoped IPv6.
    """
    text = host.strip("[]") if host.startswith("[") and host.endswith("]") else host
    if ":" in text:
        try:
            parsed = ipaddress.IPv6Address(text)
        except ValueError:
            raise DestinationRefused("the host is not a valid IPv6 address") from None
        if parsed.scope_id is not None:
            raise DestinationRefused("scoped IPv6 addresses are not called")
        return parsed
    name = _ascii(text).removesuffix(".")
    labels = name.split(".")
    if _NUMERIC_LABEL.match(labels[-1]):
        try:
            return ipaddress.IPv4Address(name)  # strict: four decimal numbers, no leading zeros
        except ValueError:
            raise DestinationRefused("the host is an unusual form of an IPv4 address") from None
    if len(name) > 253 or not all(_LABEL.match(label) for label in labels):
        raise DestinationRefused("the host is not a valid name")
    return name


def _ascii(host: str) -> str:
    """Return the A-labels of a name; full-width digits and dots become plain ones first, so they
    cannot smuggle a literal past the checks."""
    if host.isascii():
        return host.lower()
    try:
        return host.encode("idna").decode("ascii").lower()
    except UnicodeError:
        raise DestinationRefused("the host is not a valid name") from None


async def resolve_checked(
    resolver: Resolver, host: str, port: int, *, allow_loopback: bool
) -> list[str]:
    """Return the addresses of ``host``, every one of them checked.

    One refused address refuses the destination: a name that also points inside is not a name to
    call. Raises :class:`DestinationRefused` and, when nothing resolves, :class:`OutboundFailed`.
    """
    target = parse_host(host)
    if isinstance(target, str):
        try:
            texts = await resolver.resolve(target, port)
        except OSError as error:
            raise OutboundFailed(f"{target} does not resolve") from error
        if not texts:
            raise OutboundFailed(f"{target} does not resolve")
    else:
        texts = [str(target)]
    addresses = []
    for text in texts[:_MAX_ADDRESSES]:
        try:
            address = ipaddress.ip_address(text)
        except ValueError:
            raise DestinationRefused(f"{target} has an address that cannot be read") from None
        if not public_address(address) and not (allow_loopback and loopback_address(address)):
            # The address itself stays out of the text: callers see these texts, and it would
            # tell them what the inside looks like.
            raise DestinationRefused(f"{target} is not a public destination")
        addresses.append(str(address))
    return addresses
