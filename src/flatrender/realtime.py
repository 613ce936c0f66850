"""Live messages between processes: Valkey pub/sub, one subscription connection per process.

For what is lost without harm (progress, inbox pings): whoever reconnects reads the state from
PostgreSQL first and then listens. Each listener has a short queue that drops its oldest message,
so one slow watcher holds nobody up.
"""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from typing import Any

import msgspec
import redis.asyncio as redis_asyncio
import structlog

log = structlog.get_logger(__name__)


class Listener:
    """The receiving end of one channel. Iterate it, or ``await next_message(timeout)``."""

    def __init__(self, limit: int) -> None:
        self._queue: asyncio.Queue[bytes] = asyncio.Queue(limit)
        self.dropped = 0

    def offer(self, data: bytes) -> None:
        """Add a message; when full, the oldest one makes room."""
        if self._queue.full():
            self._queue.get_nowait()
            self.dropped += 1
        self._queue.put_nowait(data)

    async def next_message(self, timeout: float) -> bytes | None:  # noqa: ASYNC109 - a pull with a bound reads better here
        """Return the next message, or None after ``timeout`` seconds."""
        try:
            async with asyncio.timeout(timeout):
                return await self._queue.get()
        except TimeoutError:
            return None


class Hub:
    """Publishes to and listens on named channels of this deployment."""

    def __init__(self, url: str, prefix: str) -> None:
        self._url = url
        self._prefix = prefix
        self._client: Any = None
        self._pubsub: Any = None
        self._pump: asyncio.Task[None] | None = None
        self._listeners: dict[str, set[Listener]] = {}
        self._lock = asyncio.Lock()
        self._closed = False

    async def publish(self, channel: str, message: msgspec.Struct | dict[str, object]) -> None:
        """Send a message to whoever listens now. Trouble is logged, never raised: nothing that
        matters depends on it. After :meth:`close` nothing is sent."""
        if self._closed:
            return
        try:
            client = await self._connection()
            await client.publish(self._name(channel), msgspec.json.encode(message))
        except (redis_asyncio.RedisError, OSError) as error:
            log.warning("publish_failed", channel=channel, error=repr(error))

    @contextlib.asynccontextmanager
    async def listen(self, channel: str, *, limit: int = 32) -> AsyncIterator[Listener]:
        """Listen while the block lasts. Subscribed before the block starts, so that a state
        read inside it misses nothing."""
        name = self._name(channel)
        listener = Listener(limit)
        async with self._lock:
            first = name not in self._listeners
            self._listeners.setdefault(name, set()).add(listener)
            if first and not self._closed:
                with contextlib.suppress(redis_asyncio.RedisError, OSError):
                    await self._subscribe(name)
        try:
            yield listener
        finally:
            async with self._lock:
                group = self._listeners.get(name, set())
                group.discard(listener)
                if not group:
                    self._listeners.pop(name, None)
                    # To unsubscribe after the close would connect again, and stay connected.
                    if self._pubsub is not None and not self._closed:
                        with contextlib.suppress(redis_asyncio.RedisError, OSError):
                            await self._pubsub.unsubscribe(name)

    async def close(self) -> None:
        """Stop listening and close the connections, for good: watchers may leave later."""
        async with self._lock:
            self._closed = True
            if self._pump is not None:
                self._pump.cancel()
                with contextlib.suppress(asyncio.CancelledError):
                    await self._pump
            if self._pubsub is not None:
                await self._pubsub.aclose()
            if self._client is not None:
                await self._client.aclose()

    async def _connection(self) -> Any:
        if self._client is None:
            self._client = redis_asyncio.Redis.from_url(
                self._url, socket_timeout=5, socket_connect_timeout=2, health_check_interval=0
            )
        return self._client

    async def _subscribe(self, name: str) -> None:
        if self._pubsub is None:
            client = await self._connection()
            self._pubsub = client.pubsub(ignore_subscribe_messages=True)
        await self._pubsub.subscribe(name)
        if self._pump is None or self._pump.done():
            self._pump = asyncio.create_task(self._receive(), name="realtime-hub")

    async def _receive(self) -> None:
        while True:
            try:
                message = await self._pubsub.get_message(timeout=1.0)
                if message is None:
                    if not self._pubsub.subscribed:
                        await asyncio.sleep(0.1)
                    continue
                name = message["channel"].decode()
                for listener in self._listeners.get(name, ()):
                    listener.offer(message["data"])
            except (redis_asyncio.RedisError, OSError) as error:
                log.warning("hub_reconnecting", error=repr(error))
                await asyncio.sleep(0.5)
                await self._resubscribe()

    async def _resubscribe(self) -> None:
        with contextlib.suppress(redis_asyncio.RedisError, OSError):
            if self._listeners:
                await self._pubsub.subscribe(*self._listeners)

    def _name(self, channel: str) -> str:
        return f"{self._prefix}:live:{channel}"
