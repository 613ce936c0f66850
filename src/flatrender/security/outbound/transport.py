"""httpx on top of the dialer: the network backend, and the caps around every call.

TLS is verified for the name that was asked for; the address under it is the one that was
checked.
"""

# ruff: noqa: ASYNC109 - httpcore's interface names a `timeout`; each is applied below

import asyncio
import contextlib
import socket
import ssl
from collections.abc import AsyncIterator, Iterable
from typing import Any

import httpcore
import httpx

from flatrender.observability.metrics import OUTBOUND
from flatrender.security.outbound.dialing import Dialer
from flatrender.security.outbound.errors import (
    DestinationRefused,
    OutboundError,
    OutboundTimeout,
    ResponseRefused,
)

CONNECT_SECONDS = 10.0
_MAX_CONNECTIONS = 100
_MAX_KEPT = 20


class CheckedTransport(httpx.AsyncHTTPTransport):
    """httpx's transport over a pool whose every connection is made by a :class:`Dialer`."""

    def __init__(self, dialer: Dialer, context: ssl.SSLContext) -> None:
        super().__init__(verify=context, trust_env=False)
        # httpx has no parameter for the network backend; a unit test holds this seam.
        self._pool = httpcore.AsyncConnectionPool(
            ssl_context=context,
            max_connections=_MAX_CONNECTIONS,
            max_keepalive_connections=_MAX_KEPT,
            keepalive_expiry=30.0,
            network_backend=_DialerBackend(dialer),
        )


class CappedTransport(httpx.AsyncBaseTransport):
    """Bounds one purpose's calls: the whole time, the size, and nothing compressed.

    Closing it leaves the shared pool open; :class:`OutboundDoor` owns that.
    """

    def __init__(
        self, inner: httpx.AsyncBaseTransport, *, purpose: str, seconds: float, max_bytes: int
    ) -> None:
        self._inner = inner
        self._purpose = purpose
        self._seconds = seconds
        self._max_bytes = max_bytes

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """Send one request; the deadline runs until the last byte of the answer."""
        if request.url.scheme not in ("http", "https"):
            raise DestinationRefused("only http and https are called")
        request.headers["accept-encoding"] = "identity"
        deadline = asyncio.get_running_loop().time() + self._seconds
        outcome = "failed"
        try:
            async with asyncio.timeout_at(deadline):
                response = await self._inner.handle_async_request(request)
            try:
                self._refuse_by_headers(response)
            except ResponseRefused:
                await response.aclose()
                raise
            outcome = f"{response.status_code // 100}xx"
        except TimeoutError:
            outcome = OutboundTimeout.reason
            raise OutboundTimeout(f"no answer within {self._seconds:g} s") from None
        except OutboundError as error:
            outcome = error.reason
            raise
        finally:
            OUTBOUND.labels(self._purpose, outcome).inc()
        assert isinstance(response.stream, httpx.AsyncByteStream)  # noqa: S101 - httpx's own contract
        response.stream = _CappedStream(response.stream, deadline, self._max_bytes)
        return response

    def _refuse_by_headers(self, response: httpx.Response) -> None:
        encoding = response.headers.get("content-encoding", "identity").strip().lower()
        if encoding not in ("", "identity"):
            raise ResponseRefused("the answer is compressed although plain bytes were asked for")
        length = response.headers.get("content-length", "")
        if length.isdecimal() and int(length) > self._max_bytes:
            raise ResponseRefused(f"the answer is larger than {self._max_bytes} bytes")


class _CappedStream(httpx.AsyncByteStream):
    def __init__(self, inner: httpx.AsyncByteStream, deadline: float, max_bytes: int) -> None:
        self._inner = inner
        self._deadline = deadline
        self._left = max_bytes
        self._max_bytes = max_bytes

    async def __aiter__(self) -> AsyncIterator[bytes]:
        iterator = self._inner.__aiter__()
        while True:
            try:
                async with asyncio.timeout_at(self._deadline):
                    chunk = await anext(iterator)
            except StopAsyncIteration:
                return
            except TimeoutError:
                raise OutboundTimeout("the answer did not end in time") from None
            self._left -= len(chunk)
            if self._left < 0:
                raise ResponseRefused(f"the answer is larger than {self._max_bytes} bytes")
            yield chunk

    async def aclose(self) -> None:
        await self._inner.aclose()


class _DialerBackend(httpcore.AsyncNetworkBackend):
    """Lets httpcore connect by the dialer and by nothing else."""

    def __init__(self, dialer: Dialer) -> None:
        self._dialer = dialer

    async def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[Any] | None = None,
    ) -> httpcore.AsyncNetworkStream:
        connection = await self._dialer.connect(host, port, timeout=timeout or CONNECT_SECONDS)
        return await _SocketStream.over(connection)

    async def connect_unix_socket(
        self,
        path: str,
        timeout: float | None = None,
        socket_options: Iterable[Any] | None = None,
    ) -> httpcore.AsyncNetworkStream:
        raise DestinationRefused("unix sockets are not called")

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(seconds)


class _SocketStream(httpcore.AsyncNetworkStream):
    """httpcore's stream over asyncio's, so that one dialer serves HTTP and SMTP alike."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer

    @classmethod
    async def over(cls, connection: socket.socket) -> "_SocketStream":
        try:
            reader, writer = await asyncio.open_connection(sock=connection)
        except BaseException:
            connection.close()
            raise
        return cls(reader, writer)

    async def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        try:
            async with asyncio.timeout(timeout):
                return await self._reader.read(max_bytes)
        except TimeoutError as error:
            raise httpcore.ReadTimeout() from error
        except OSError as error:
            raise httpcore.ReadError(type(error).__name__) from error

    async def write(self, buffer: bytes, timeout: float | None = None) -> None:
        if not buffer:
            return
        try:
            async with asyncio.timeout(timeout):
                self._writer.write(buffer)
                await self._writer.drain()
        except TimeoutError as error:
            raise httpcore.WriteTimeout() from error
        except OSError as error:
            raise httpcore.WriteError(type(error).__name__) from error

    async def aclose(self) -> None:
        self._writer.close()
        with contextlib.suppress(OSError):
            await self._writer.wait_closed()

    async def start_tls(
        self,
        ssl_context: ssl.SSLContext,
        server_hostname: str | None = None,
        timeout: float | None = None,
    ) -> httpcore.AsyncNetworkStream:
        try:
            async with asyncio.timeout(timeout):
                await self._writer.start_tls(ssl_context, server_hostname=server_hostname)
        except TimeoutError as error:
            await self._abort()
            raise httpcore.ConnectTimeout() from error
        except OSError as error:  # SSLError is one
            await self._abort()
            raise httpcore.ConnectError(str(error) or type(error).__name__) from error
        return self

    def get_extra_info(self, info: str) -> Any:
        if info == "ssl_object":
            return self._writer.get_extra_info("ssl_object")
        if info == "client_addr":
            return self._writer.get_extra_info("sockname")
        if info == "server_addr":
            return self._writer.get_extra_info("peername")
        if info == "is_readable":  # asked of an idle connection: anything there means it is over
            return self._reader.at_eof() or self._writer.is_closing()
        return None

    async def _abort(self) -> None:
        self._writer.transport.abort()
        with contextlib.suppress(OSError):
            await self._writer.wait_closed()
