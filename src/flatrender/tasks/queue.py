"""The queue client: puts tasks and event deliveries where workers find them (arq on Valkey)."""

import asyncio
import contextlib
import time
import traceback
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import msgspec
from arq.connections import ArqRedis, RedisSettings, create_pool
from arq.constants import in_progress_key_prefix, job_key_prefix
from redis.exceptions import RedisError

from flatrender.tasks.task import QueueName

_KEPT = timedelta(days=1)  # a job that nobody took within it is dropped
_CLOCK_SECONDS = 30.0  # between looks at Valkey's clock


def _plain(value: object) -> object:
    """Let arq store results that are exceptions without pickling them."""
    if isinstance(value, BaseException):
        return {"error": "".join(traceback.format_exception_only(value)).strip()}
    return str(value)


_encoder = msgspec.msgpack.Encoder(enc_hook=_plain)


def serialize(job: dict[str, Any]) -> bytes:
    """Encode an arq job as msgpack; never pickle."""
    return _encoder.encode(job)


def deserialize(data: bytes) -> dict[str, Any]:
    """Decode what :func:`serialize` wrote."""
    decoded: dict[str, Any] = msgspec.msgpack.decode(data)
    return decoded


class Job(msgspec.Struct, frozen=True, kw_only=True):
    """One thing to put on a queue. ``job_id`` makes a second enqueue of the same a no-op."""

    context: str
    queue: QueueName
    name: str
    payload: bytes
    headers: dict[str, str] = {}
    job_id: str | None = None
    run_at: datetime | None = None


class QueueClient:
    """Enqueues jobs. A queue is named by class and context, so a worker takes only what it can
    run."""

    def __init__(self, url: str, prefix: str) -> None:
        self._url = url
        self._prefix = prefix
        #: The channel on which a queue is named that has got a job.
        self.calls = f"{prefix}:calls"
        self._redis: ArqRedis | None = None
        self._opening = asyncio.Lock()
        self._closed = False
        self._behind = 0.0  # seconds, of our clock
        self._ask_again = float("-inf")

    def queue_name(self, queue: QueueName, context: str) -> str:
        """Return the Valkey key of a queue."""
        return f"{self._prefix}:queue:{queue}:{context}"

    async def redis(self) -> ArqRedis:
        """Return the open connection pool. Raises ``ConnectionError`` after :meth:`close`: a
        task that ends late must not open what nobody closes any more."""
        async with self._opening:
            if self._closed:
                raise ConnectionError("the queue was closed")
            if self._redis is None:
                settings = RedisSettings.from_dsn(self._url)
                settings.conn_retries = 1
                settings.conn_timeout = 2
                self._redis = await create_pool(
                    settings, job_serializer=serialize, job_deserializer=deserialize
                )
            return self._redis

    async def enqueue(self, job: Job) -> None:
        """Put one job on its queue.

        It is due by Valkey's clock, not by this machine's: one whose clock is ahead would hold
        back what all others wait for.
        """
        redis = await self.redis()
        now = await self._now(redis)
        due = max(job.run_at or now, now)
        queue = self.queue_name(job.queue, job.context)
        made = await redis.enqueue_job(
            job.name,
            job.payload,
            job.headers,
            _job_id=job.job_id,
            _queue_name=queue,
            _defer_until=due,
            _expires=due - now + _KEPT,
        )
        if made is not None:
            with contextlib.suppress(RedisError, OSError):  # a look finds it, if a little later
                await redis.publish(self.calls, queue)

    async def _now(self, redis: ArqRedis) -> datetime:
        """Return the time by Valkey's clock; asks it now and then how far ours is off."""
        asked = time.monotonic()
        if asked >= self._ask_again:
            seconds, micros = await redis.time()
            self._behind = seconds + micros / 1e6 - time.time()
            self._ask_again = asked + _CLOCK_SECONDS
        return datetime.fromtimestamp(time.time() + self._behind, UTC)

    async def enqueue_task(
        self,
        context: str,
        queue: QueueName,
        name: str,
        payload: msgspec.Struct,
        *,
        job_id: str | UUID | None = None,
    ) -> None:
        """Put a task on its queue directly, without an outbox row: for wake-ups that a sweep
        repeats anyway, never for the effect of a change."""
        await self.enqueue(
            Job(
                context=context,
                queue=queue,
                name=name,
                payload=msgspec.json.encode(payload),
                job_id=str(job_id) if job_id else None,
            )
        )

    async def keep_waiting(
        self,
        context: str,
        queue: QueueName,
        name: str,
        payload: msgspec.Struct,
        *,
        prefix: str,
        count: int,
    ) -> None:
        """Make sure that ``count`` such tasks lie on the queue that no worker has taken.

        Their ids are ``prefix:0``, ``prefix:1`` and so on: what lies there already is not put
        there again. An id whose task runs is passed over. It does not wait for anybody, and the
        one a killed worker ran stays marked as running until the task's own timeout is up.
        """
        redis = await self.redis()
        first = 0
        while count > 0:
            ids = [f"{prefix}:{number}" for number in range(first, first + count)]
            first += count
            async with redis.pipeline(transaction=False) as pipe:
                for one in ids:
                    pipe.exists(in_progress_key_prefix + one)
                    pipe.exists(job_key_prefix + one)
                known = await pipe.execute()
            for one, runs, lies in zip(ids, known[::2], known[1::2], strict=True):
                if runs:
                    continue
                if not lies:
                    await self.enqueue_task(context, queue, name, payload, job_id=one)
                count -= 1

    async def close(self) -> None:
        """Close the connections, for good."""
        async with self._opening:
            self._closed = True
            if self._redis is not None:
                redis, self._redis = self._redis, None
                await redis.aclose()
