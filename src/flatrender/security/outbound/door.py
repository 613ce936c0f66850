"""The door itself: what contexts hold to call the outside."""

import asyncio
import re
import socket
import ssl
from collections.abc import Mapping
from typing import Any

import httpx
import msgspec

from flatrender import __version__
from flatrender.security.outbound.addresses import Resolver, SystemResolver
from flatrender.security.outbound.dialing import Dialer
from flatrender.security.outbound.errors import DestinationRefused, OutboundFailed, OutboundTimeout
from flatrender.security.outbound.transport import (
    CONNECT_SECONDS,
    CappedTransport,
    CheckedTransport,
)
from flatrender.security.settings import SecuritySettings

USER_AGENT = f"FlatRender/{__version__}"
_UNSAFE = re.compile(r"[\x00-\x20\x7f\\]")
_DEFAULT_PORTS = {"http": 80, "https": 443}


class OutboundResponse(msgspec.Struct, frozen=True, kw_only=True):
    """A whole answer. ``headers`` have lower-case names; the last of a repeated one wins."""

    status: int
    headers: dict[str, str]
    body: bytes

    def json(self) -> Any:
        """Return the decoded body; raises ``msgspec.DecodeError``."""
        return msgspec.json.decode(self.body)


class OutboundDoor:
    """The one way out to addresses that people can set.

    Every failure is an :class:`OutboundError` or another ``httpx.HTTPError``.
    """

    def __init__(
        self,
        settings: SecuritySettings,
        *,
        resolver: Resolver | None = None,
        ssl_context: ssl.SSLContext | None = None,
    ) -> None:
        self._dialer = Dialer(
            resolver or SystemResolver(),
            allow_loopback=settings.allow_loopback,
            proxies=settings.outbound_proxies,
        )
        self._context = ssl_context
        self._pool: CheckedTransport | None = None
        self._clients: dict[tuple[str, float, int], httpx.AsyncClient] = {}

    def transport(
        self, *, purpose: str, timeout: float = 30.0, max_bytes: int = 1 << 20
    ) -> httpx.AsyncBaseTransport:
        """Return a transport for libraries that make their own httpx client (authlib).

        ``purpose`` is a short fixed word for metrics; ``timeout`` bounds a whole call in seconds,
        ``max_bytes`` its answer. Give such a client ``trust_env=False``.
        """
        return CappedTransport(
            self._shared(), purpose=purpose, seconds=timeout, max_bytes=max_bytes
        )

    def client(
        self, *, purpose: str, timeout: float = 30.0, max_bytes: int = 1 << 20
    ) -> httpx.AsyncClient:
        """Return the client of one purpose, for streaming and special calls. It is shared: do not
        close it."""
        key = (purpose, timeout, max_bytes)
        found = self._clients.get(key)
        if found is None:
            found = self._clients[key] = httpx.AsyncClient(
                transport=self.transport(purpose=purpose, timeout=timeout, max_bytes=max_bytes),
                timeout=httpx.Timeout(timeout, connect=min(timeout, CONNECT_SECONDS)),
                follow_redirects=False,
                trust_env=False,
                headers={"user-agent": USER_AGENT},
            )
        return found

    async def request(
        self,
        method: str,
        url: str,
        *,
        purpose: str,
        headers: Mapping[str, str] | None = None,
        content: bytes | None = None,
        json: object = None,
        timeout: float = 30.0,  # noqa: ASYNC109 - becomes the transport's deadline
        max_bytes: int = 1 << 20,
    ) -> OutboundResponse:
        """Call ``url`` and return the whole answer, redirects as they are.

        Raises :class:`DestinationRefused` (do not try again), :class:`ResponseRefused`,
        :class:`OutboundTimeout`, :class:`OutboundFailed` or another ``httpx.HTTPError``.
        """
        target, all_headers = check_form(url), dict(headers or {})
        if json is not None:
            content = msgspec.json.encode(json)
            all_headers.setdefault("content-type", "application/json")
        client = self.client(purpose=purpose, timeout=timeout, max_bytes=max_bytes)
        client.cookies.clear()  # one caller's cookies are not the next one's
        response = await client.request(method, target, headers=all_headers, content=content)
        return OutboundResponse(
            status=response.status_code, headers=dict(response.headers), body=response.content
        )

    async def check_url(self, url: str, *, https_only: bool = False) -> str:
        """Return ``url`` as it will be called, or raise :class:`DestinationRefused`.

        For forms that take a URL; the check at dialling stands whatever this said.
        A name that does not resolve now passes: it may resolve later.
        """
        target = check_form(url, https_only=https_only)
        port = target.port or _DEFAULT_PORTS[target.scheme]
        try:
            async with asyncio.timeout(CONNECT_SECONDS):
                await self._dialer.check(target.host, port)
        except (OutboundFailed, TimeoutError):
            pass
        return str(target)

    async def connect(self, host: str, port: int, *, timeout: float = 10.0) -> socket.socket:  # noqa: ASYNC109 - passed to the dialer
        """Return a connected socket to a checked address, for clients that speak another protocol
        (``aiosmtplib.SMTP(sock=...)``). The caller closes it."""
        return await self._dialer.connect(host, port, timeout=timeout)

    async def open_connection(
        self,
        host: str,
        port: int,
        *,
        tls: bool = False,
        timeout: float = 10.0,  # noqa: ASYNC109 - applied below
    ) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        """Return asyncio streams to a checked address; with ``tls``, verified for ``host``."""
        connection = await self._dialer.connect(host, port, timeout=timeout)
        context = self._tls() if tls else None
        try:
            async with asyncio.timeout(timeout):
                return await asyncio.open_connection(
                    sock=connection, ssl=context, server_hostname=host if tls else None
                )
        except TimeoutError:
            connection.close()
            raise OutboundTimeout(f"{host} did not answer within {timeout:g} s") from None
        except OSError as error:
            connection.close()
            raise OutboundFailed(f"no connection to {host}") from error

    async def close(self) -> None:
        """Close every connection."""
        clients, self._clients = list(self._clients.values()), {}
        for client in clients:
            await client.aclose()
        if self._pool is not None:
            pool, self._pool = self._pool, None
            await pool.aclose()

    def _shared(self) -> CheckedTransport:
        if self._pool is None:
            self._pool = CheckedTransport(self._dialer, self._tls())
        return self._pool

    def _tls(self) -> ssl.SSLContext:
        if self._context is None:
            self._context = httpx.create_ssl_context(trust_env=False)
        return self._context


def check_form(url: str, *, https_only: bool = False) -> httpx.URL:
    """Return the parsed URL; raises :class:`DestinationRefused` for anything but a plain absolute
    http(s) URL without user info, whitespace or backslashes. Looks at no address."""
    if len(url) > 2048 or _UNSAFE.search(url):
        raise DestinationRefused("the URL has characters or a length that no URL has")
    try:
        target = httpx.URL(url)
        port = target.port
    except (httpx.InvalidURL, ValueError):
        raise DestinationRefused("the URL cannot be read") from None
    if target.scheme not in (("https",) if https_only else ("http", "https")):
        raise DestinationRefused("the URL must be https" if https_only else "the URL must be http")
    if not target.host or target.userinfo:
        raise DestinationRefused("the URL needs a host and may hold no user name")
    if port is not None and not 0 < port < 65_536:
        raise DestinationRefused("the port is out of range")
    return target
