"""Everybody who watches one thing in this process: one subscription, one pace, one encoding.

A message is decoded, paced and encoded once, however many watch; what a watcher costs is a place
in a short queue. Whoever is slow loses progress, which is told again, and holds nobody up. Reads
no row: how a job ended is asked of whoever made the audience. Batches are in ``batch_audience``.
"""

import asyncio
import contextlib
from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any, Generic, TypeVar
from uuid import UUID

import msgspec
import structlog
from msgspec import Struct

from flatrender.clock import Clock
from flatrender.http.sse import Event, encode_event
from flatrender.realtime import Hub
from flatrender.security.vigil import Vigil
from flatrender_render.live import PREVIEW_SECONDS, PROGRESS_SECONDS, channel

log = structlog.get_logger(__name__)

#: How long to wait for an announcement before asking whether the job ended anyway.
QUIET_SECONDS = 5.0
ENDINGS = frozenset({"done", "failed", "cancelled"})
CAPACITY = 64

#: Returns the last message of a job that has ended, None while it goes on.
Ending = Callable[[], Awaitable[dict[str, Any] | None]]


class Told(Struct, frozen=True, kw_only=True):
    """A message, encoded once for all: ``text`` for sockets, ``sse`` as an event.

    ``progress`` is 0..1 where the message says it.
    """

    kind: str
    text: str
    sse: bytes
    progress: float | None

    @property
    def droppable(self) -> bool:
        """Whether it is soon told again."""
        return self.kind == "progress"

    @property
    def last(self) -> bool:
        """Whether nothing follows."""
        return self.kind in ENDINGS


def told(message: dict[str, Any], moment: int) -> Told:
    """Encode a message; ``moment`` (Unix milliseconds) and progress make its ``id``."""
    found = message.get("progress")
    progress = None if found is None else float(found)
    name = f"{moment}-{round((progress or 0.0) * 10_000)}"
    text = msgspec.json.encode({**message, "id": name}).decode()
    kind = str(message["type"])
    return Told(
        kind=kind,
        text=text,
        sse=encode_event(Event(event=kind, data=text, id=name)),
        progress=progress,
    )


class Mark(Struct, frozen=True):
    """Where a watcher left off: when (Unix milliseconds), and how far the job was."""

    moment: int
    progress: float


def mark_of(last_id: str | None) -> Mark | None:
    """Read the ``id`` of the last message a watcher has seen; None for what is no such id."""
    moment, _, progress = (last_id or "").partition("-")
    if not (moment.isascii() and moment.isdigit() and progress.isascii() and progress.isdigit()):
        return None
    if len(moment) > 14 or len(progress) > 5:
        return None
    return Mark(int(moment), min(1.0, int(progress) / 10_000))


class Pace:
    """What watchers are told: progress coalesced to one per 500 ms, one preview per 2 s, and
    never backwards, though pieces report in any order."""

    def __init__(self, hello: dict[str, Any]) -> None:
        self._best = float(hello["progress"])
        self._step = str(hello["step"])
        self._held: dict[str, Any] | None = None
        self._preview: str | None = None
        self._next_progress = 0.0
        self._next_preview = 0.0

    def seen(self, hello: dict[str, Any]) -> None:
        """Take what somebody was told on coming: nobody hears less afterwards."""
        if float(hello["progress"]) >= self._best:
            self._best, self._step = float(hello["progress"]), str(hello["step"])

    def wait(self, now: float) -> float | None:
        """Return how long until held progress is due, None when none is held."""
        return None if self._held is None else max(0.0, self._next_progress - now)

    def take(self, message: dict[str, Any]) -> dict[str, Any] | None:
        """Hold progress; return anything else to be sent at once."""
        said = float(message.get("progress") or 0.0)
        late = said < self._best
        self._best = max(self._best, said)
        if message.get("type") == "progress":
            self._preview = message.pop("preview_b64", None) or self._preview
            # What comes late may still name a step that is over.
            step = self._step if late else str(message.get("step") or self._step)
            self._held = {**message, "progress": self._best, "step": step}
            return None
        if message.get("type") == "step_change":
            self._step = str(message["step"])
            self._held = None  # overtaken
            message["progress"] = self._best
        return message

    def due(self, now: float) -> dict[str, Any] | None:
        """Return the held progress once it may be sent."""
        if self._held is None or now < self._next_progress:
            return None
        message, self._held = self._held, None
        self._next_progress = now + PROGRESS_SECONDS
        if self._preview and now >= self._next_preview:
            message["preview_b64"], self._preview = self._preview, None
            self._next_preview = now + PREVIEW_SECONDS
        return message


class Seat:
    """One watcher's place: a short queue, its oldest progress giving way."""

    def __init__(self) -> None:
        self._queue: deque[Told] = deque()
        self._wake = asyncio.Event()

    def offer(self, one: Told) -> None:
        """Add a message without waiting."""
        if len(self._queue) >= CAPACITY:
            for index, waiting in enumerate(self._queue):
                if waiting.droppable:
                    del self._queue[index]
                    break
            else:
                self._queue.popleft()
        self._queue.append(one)
        self._wake.set()

    async def next_message(self, patience: float) -> Told | None:
        """Return the next message, or None after ``patience`` seconds."""
        if not self._queue:
            self._wake.clear()
            try:
                async with asyncio.timeout(patience):
                    await self._wake.wait()
            except TimeoutError:
                return None
        return self._queue.popleft()


class Room:
    """Who watches one thing, and what they are told. It ends with its last watcher, or with the
    last message."""

    def __init__(self, hub: Hub, clock: Clock, key: UUID) -> None:
        self.seats: set[Seat] = set()
        self.ready = asyncio.Event()
        self.last: Told | None = None
        self._hub, self._clock, self._key = hub, clock, key
        self.task = asyncio.create_task(self._run(), name=f"audience-{key}")

    async def _run(self) -> None:
        """Set ``ready`` once nothing can be missed any more, then tell until the last message."""
        raise NotImplementedError

    def _tell(self, message: dict[str, Any]) -> None:
        one = told(message, int(self._clock.now().timestamp() * 1000))
        if one.last:
            self.last = one
        for seat in self.seats:
            seat.offer(one)


class _JobRoom(Room):
    """One job's audience."""

    def __init__(self, hub: Hub, clock: Clock, job_id: UUID, ending: Ending) -> None:
        self.pace = Pace({"progress": 0.0, "step": "Queued"})
        self._ending = ending
        super().__init__(hub, clock, job_id)

    async def _run(self) -> None:
        loop = asyncio.get_running_loop()
        async with self._hub.listen(channel(self._key), limit=256) as listener:
            self.ready.set()
            while self.last is None:
                wait = self.pace.wait(loop.time())
                data = await listener.next_message(QUIET_SECONDS if wait is None else wait)
                if data is not None:
                    message: dict[str, Any] = msgspec.json.decode(data)
                    if message.get("type") in ENDINGS:
                        await self._end()
                    elif (event := self.pace.take(message)) is not None:
                        self._tell(event)
                elif wait is None:
                    await self._end()  # announcements may be lost; the database is not
                if (progress := self.pace.due(loop.time())) is not None and self.last is None:
                    self._tell(progress)

    async def _end(self) -> None:
        try:
            message = await self._ending()
        except Exception as error:  # noqa: BLE001 - the database may be away; asked again soon
            log.warning("ending_not_read", job_id=str(self._key), error=repr(error))
            return
        if message is not None:
            self._tell(message)


R = TypeVar("R", bound=Room)


class Rooms(Generic[R]):
    """The rooms of this process: a thing has one while somebody watches it."""

    def __init__(self) -> None:
        self._rooms: dict[UUID, R] = {}

    @contextlib.asynccontextmanager
    async def enter(self, key: UUID, make: Callable[[], R]) -> AsyncIterator[tuple[Seat, R]]:
        """Watch while the block lasts. The room listens before the block starts, so that a state
        read inside it misses nothing. ``make`` is called for who comes first."""
        room = self._rooms.get(key)
        if room is None or room.task.done():
            room = self._rooms[key] = make()
        seat = Seat()
        room.seats.add(seat)
        try:
            await room.ready.wait()
            if room.last is not None:  # it ended while somebody came in
                seat.offer(room.last)
            yield seat, room
        finally:
            room.seats.discard(seat)
            if not room.seats:
                if self._rooms.get(key) is room:
                    del self._rooms[key]
                room.task.cancel()
                with contextlib.suppress(asyncio.CancelledError):
                    await room.task


class Audience:
    """Everybody who watches jobs in this process."""

    def __init__(self, hub: Hub, clock: Clock) -> None:
        self._hub, self._clock = hub, clock
        self._rooms: Rooms[_JobRoom] = Rooms()

    @contextlib.asynccontextmanager
    async def seat(self, job_id: UUID, ending: Ending) -> AsyncIterator[tuple[Seat, Pace]]:
        """Watch a job while the block lasts (see :meth:`Rooms.enter`)."""

        def make() -> _JobRoom:
            return _JobRoom(self._hub, self._clock, job_id, ending)

        async with self._rooms.enter(job_id, make) as (seat, room):
            yield seat, room.pace


async def follow(seat: Seat, vigil: Vigil, floor: float) -> AsyncIterator[Told]:
    """Yield what is told from now on, but no progress below ``floor``, until the last message.

    Raises ``Unauthorized`` when the session ends meanwhile; ``Unavailable``.
    """
    while True:
        one = await seat.next_message(vigil.wait())
        # Before anything is told: a busy stream is looked at as often as a silent one.
        await vigil.look()
        if one is None or (one.progress is not None and one.progress < floor):
            continue  # said before this watcher came
        yield one
        if one.last:
            return
