"""Dialling: from a host and a port to a connected stream, straight or through a proxy.

A proxy is spoken to by HTTP CONNECT (RFC 9110 section 9.3.6) or SOCKS5 (RFC 1928, 1929). TLS is
the caller's: it runs end to end inside the tunnel, with the name that was asked for.
"""

import asyncio
import base64
import contextlib
import ipaddress
import socket
from collections.abc import Mapping
from urllib.parse import SplitResult, unquote, urlsplit

from flatrender.security.outbound.addresses import Resolver, parse_host, resolve_checked
from flatrender.security.outbound.errors import (
    DestinationRefused,
    OutboundError,
    OutboundFailed,
    OutboundTimeout,
)

_MAX_PROXY_ANSWER = 8_192
_SOCKS_ERRORS = {2: "not allowed", 3: "network unreachable", 4: "host unreachable", 5: "refused"}


class Dialer:
    """Connects to checked destinations only.

    ``proxies`` maps an exact host, a ``.domain`` or ``*`` to a proxy URL (see
    ``SecuritySettings.outbound_proxies``).
    """

    def __init__(
        self, resolver: Resolver, *, allow_loopback: bool, proxies: Mapping[str, str] | None = None
    ) -> None:
        self._resolver = resolver
        self._allow_loopback = allow_loopback
        self._proxies = {name.lower(): urlsplit(url) for name, url in (proxies or {}).items()}

    async def connect(self, host: str, port: int, *, timeout: float) -> socket.socket:  # noqa: ASYNC109 - applied below
        """Return a connected, non-blocking socket to ``host:port``.

        Raises :class:`DestinationRefused`, :class:`OutboundFailed`, :class:`OutboundTimeout`.
        """
        if not 0 < port < 65_536:
            raise DestinationRefused("the port is out of range")
        try:
            async with asyncio.timeout(timeout):
                proxy, named = self._proxy(host)
                if proxy is not None and named:
                    return await self._through(proxy, host, port)
                addresses = await resolve_checked(
                    self._resolver, host, port, allow_loopback=self._allow_loopback
                )
                here = ipaddress.ip_address(addresses[0]).is_loopback  # not the proxy's loopback
                if proxy is not None and not here:
                    return await self._through(proxy, addresses[0], port)
                return await _first(addresses, port)
        except TimeoutError:
            raise OutboundTimeout(f"{host} did not answer within {timeout:g} s") from None

    async def check(self, host: str, port: int) -> None:
        """Raise :class:`DestinationRefused` when ``host`` must not be called; dials nothing.

        For telling somebody who sets a URL at once. It decides nothing later: the check that
        counts is the one at dialling.
        """
        if self._proxy(host)[1]:
            return
        await resolve_checked(self._resolver, host, port, allow_loopback=self._allow_loopback)

    def _proxy(self, host: str) -> tuple[SplitResult | None, bool]:
        """Return the proxy for ``host`` and whether it was chosen by the destination's name."""
        if not self._proxies:
            return None, False
        target = parse_host(host)
        if isinstance(target, str):
            if target in self._proxies:
                return self._proxies[target], True
            labels = target.split(".")
            for start in range(len(labels)):
                suffix = "." + ".".join(labels[start:])
                if suffix in self._proxies:
                    return self._proxies[suffix], True
        return self._proxies.get("*"), False

    async def _through(self, proxy: SplitResult, host: str, port: int) -> socket.socket:
        """Ask ``proxy`` for a tunnel. The proxy's own address is the operator's and unchecked."""
        proxy_host, proxy_port = proxy.hostname or "", proxy.port or 0
        try:
            addresses = await self._resolver.resolve(proxy_host, proxy_port)
        except OSError as error:
            raise OutboundFailed("the proxy does not resolve") from error
        connection = await _first(addresses, proxy_port)
        try:
            if proxy.scheme == "socks5":
                await _socks5(connection, proxy, host, port)
            else:
                await _http_connect(connection, proxy, host, port)
        except BaseException:
            connection.close()
            raise
        return connection


async def _first(addresses: list[str], port: int) -> socket.socket:
    """Connect to the first address that answers."""
    failure: OSError | None = None
    loop = asyncio.get_running_loop()
    for address in addresses:
        family = socket.AF_INET6 if ":" in address else socket.AF_INET
        connection = socket.socket(family, socket.SOCK_STREAM)
        try:
            connection.setblocking(False)
            with contextlib.suppress(OSError):
                connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            await loop.sock_connect(connection, (address, port))
        except OSError as error:
            connection.close()
            failure = error
        except BaseException:
            connection.close()
            raise
        else:
            return connection
    raise OutboundFailed("no connection") from failure


async def _http_connect(
    connection: socket.socket, proxy: SplitResult, host: str, port: int
) -> None:
    authority = f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
    lines = [f"CONNECT {authority} HTTP/1.1", f"Host: {authority}"]
    if proxy.username is not None:
        pair = f"{unquote(proxy.username)}:{unquote(proxy.password or '')}"
        lines.append(f"Proxy-Authorization: Basic {base64.b64encode(pair.encode()).decode()}")
    loop = asyncio.get_running_loop()
    await _send(connection, ("\r\n".join(lines) + "\r\n\r\n").encode())
    answer = b""
    while b"\r\n\r\n" not in answer:
        # One byte at a time: what follows the blank line belongs to the tunnel.
        chunk = await loop.sock_recv(connection, 1)
        answer += chunk
        if not chunk or len(answer) > _MAX_PROXY_ANSWER:
            raise OutboundFailed("the proxy gave no usable answer")
    status = answer.split(b"\r\n", 1)[0].split(b" ")
    if len(status) < 2 or not status[1].startswith(b"2"):
        code = status[1].decode("ascii", "replace")[:3] if len(status) > 1 else "?"
        raise OutboundFailed(f"the proxy refused the connection ({code})")


async def _socks5(connection: socket.socket, proxy: SplitResult, host: str, port: int) -> None:
    wants_login = proxy.username is not None
    await _send(connection, b"\x05\x02\x00\x02" if wants_login else b"\x05\x01\x00")
    version, method = await _receive(connection, 2)
    if version != 5 or method not in (0, 2) or (method == 2 and not wants_login):
        raise OutboundFailed("the proxy offers no usable authentication")
    if method == 2:
        user = unquote(proxy.username or "").encode()[:255]
        password = unquote(proxy.password or "").encode()[:255]
        await _send(connection, bytes((1, len(user))) + user + bytes((len(password),)) + password)
        if (await _receive(connection, 2))[1] != 0:
            raise OutboundFailed("the proxy refused the login")
    await _send(connection, b"\x05\x01\x00" + _socks_address(host) + port.to_bytes(2, "big"))
    _, reply, _, kind = await _receive(connection, 4)
    if reply != 0:
        reason = _SOCKS_ERRORS.get(reply, str(reply))
        raise OutboundFailed(f"the proxy refused the connection ({reason})")
    length = {1: 4, 4: 16}.get(kind) or (await _receive(connection, 1))[0]
    await _receive(connection, length + 2)  # the bound address, of no use here


def _socks_address(host: str) -> bytes:
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        name = host.encode("idna")
        return bytes((3, len(name))) + name
    return bytes((1 if address.version == 4 else 4,)) + address.packed


async def _send(connection: socket.socket, data: bytes) -> None:
    try:
        await asyncio.get_running_loop().sock_sendall(connection, data)
    except OSError as error:
        raise OutboundFailed("the proxy closed the connection") from error


async def _receive(connection: socket.socket, count: int) -> bytes:
    loop = asyncio.get_running_loop()
    data = b""
    while len(data) < count:
        try:
            chunk = await loop.sock_recv(connection, count - len(data))
        except OSError as error:
            raise OutboundFailed("the proxy closed the connection") from error
        if not chunk:
            raise OutboundError("the proxy closed the connection")
        data += chunk
    return data
