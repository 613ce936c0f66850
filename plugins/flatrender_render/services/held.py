"""What a node outside holds, of whatever kind: which objects it reads and writes, and its fence.

Links are given only while the attempt lasts, to what its work reads and to keys of that very
attempt; every report is fenced, and one behind the fence is counted and answered 409. Kinds of
work add their own reports.
"""

from abc import ABC, abstractmethod
from collections.abc import Awaitable, Callable
from datetime import timedelta
from typing import Generic, TypeVar

from flatrender.errors import Invalid, NotFound
from flatrender.http.validation import field_error
from flatrender.plugin import PluginContext
from flatrender.storage import ObjectInfo, ObjectMissing, StoreError
from flatrender_render.errors import ClaimOver, NotYourObject, ObjectNotThere
from flatrender_render.farm.claims import StaleEpoch
from flatrender_render.farm.link import Reporting
from flatrender_render.farm.wire import (
    PART_BYTES,
    Failed,
    Links,
    PresignedLinks,
    Stored,
    UploadEnd,
    UploadParts,
    UploadStart,
)

#: How long a link is good; also after the attempt that it was given for (see ``sealing``).
LINK_TIME = timedelta(minutes=15)
_PART_LINK_TIME = timedelta(hours=12)  # a large file over a slow line
_SOUND_BYTES = 256 * 2**20  # hours of it
#: Of a poster, a thumbnail or a contact sheet.
PICTURE_BYTES = 32 * 2**20
_LARGEST_EPOCH = 2**31 - 1

C = TypeVar("C")


class Held(ABC, Generic[C]):
    """An attempt of a node, over or not; reports go to the local link."""

    def __init__(self, context: PluginContext, link: Reporting[C], claim: C) -> None:
        self._db = context.db
        self._storage = context.infra.storage
        self._reporting = link
        self._claim = claim

    @abstractmethod
    async def _running(self) -> bool:
        """Return whether the attempt is its work's present one."""

    @abstractmethod
    async def _readable(self) -> set[str]:
        """Return every object that the work reads."""

    def _writes(self, key: str) -> bool:
        """Return whether ``key`` is one of this very attempt; most kinds of work write nothing."""
        del key
        return False

    @property
    def _most(self) -> int:
        """The bytes that no result of this work passes."""
        return 0

    async def fail(self, report: Failed) -> None:
        """Take a failed attempt. Raises ``ClaimOver``."""
        await self._fenced(self._reporting.fail(self._claim, report.failure))

    async def give_back(self) -> None:
        """Take a claim back unharmed."""
        await self._reporting.give_back(self._claim)

    async def links(self, wanted: Links) -> PresignedLinks:
        """Return presigned links for objects of this claim. Raises ``NotYourObject`` and
        ``ClaimOver``."""
        readable = await self._readable() if wanted.get else set[str]()
        for key in wanted.get:
            if key not in readable:
                raise NotYourObject(key=key)
        for key in wanted.put:
            self._check_place(key)
        await self._check_running()
        storage = self._storage
        return PresignedLinks(
            get={key: storage.link(key, expires=LINK_TIME) for key in wanted.get},
            put={key: storage.upload_link(key, expires=LINK_TIME) for key in wanted.put},
        )

    async def start_upload(self, start: UploadStart) -> UploadParts:
        """Begin an upload in parts. Raises ``NotYourObject``, ``ClaimOver`` and, for more bytes
        than the work can make, ``Invalid``."""
        self._check_place(start.key)
        if start.size > self._most:
            raise Invalid(errors=[field_error("/size", "out_of_range")])
        await self._check_running()
        upload_id = await self._storage.start_parts(start.key, content_type=start.content_type)
        count = -(-start.size // PART_BYTES)
        urls = [
            self._storage.part_link(start.key, upload_id, number, expires=_PART_LINK_TIME)
            for number in range(1, count + 1)
        ]
        return UploadParts(upload_id=upload_id, part_bytes=PART_BYTES, urls=urls)

    async def end_upload(self, end: UploadEnd) -> Stored:
        """Put an upload's parts together. Raises ``NotYourObject``, ``ClaimOver`` and, when the
        store knows no such upload or parts, ``ObjectNotThere``."""
        self._check_place(end.key)
        await self._check_running()
        try:
            etag = await self._storage.join_parts(end.key, end.upload_id, end.etags)
        except StoreError as error:
            if error.retryable:
                raise
            raise ObjectNotThere(key=end.key) from None
        return Stored(etag=etag)

    async def _check_running(self) -> None:
        """Raise ``ClaimOver`` unless the attempt is the present one."""
        if not await self._running():
            raise await self._over()

    def _check_place(self, key: str) -> None:
        """Raise ``NotYourObject`` unless the attempt may write ``key``."""
        plain = key.isascii() and all(c.isalnum() or c in "-_./" for c in key) and ".." not in key
        if not (plain and self._writes(key)):
            raise NotYourObject(key=key)

    async def _check_written(self, key: str, size: int | None = None, *, most: int) -> ObjectInfo:
        """Return an object as it is; refuse one that the attempt may not write, that is not there
        as told, or has more than ``most`` bytes: a link cannot bound what is stored by it."""
        self._check_place(key)
        try:
            info = await self._storage.stat(key)
        except ObjectMissing:
            raise ObjectNotThere(key=key) from None
        if info.size > most or (size is not None and info.size != size):
            raise ObjectNotThere(key=key)
        return info

    async def _fenced(self, report: Awaitable[None]) -> None:
        try:
            await report
        except StaleEpoch:
            raise await self._over() from None

    async def _once(self, report: Awaitable[None], taken: Callable[[], Awaitable[bool]]) -> None:
        """Take a report; one that was taken before, and whose answer got lost, is fine."""
        try:
            await report
        except StaleEpoch:
            if not await taken():
                raise await self._over() from None

    async def _over(self) -> ClaimOver:
        await self._reporting.late(self._claim)
        return ClaimOver()


def most_bytes(width: int, height: int, frames: int) -> int:
    """Return what no encoded film passes: its bare pixels (4:2:0), and room for its sound."""
    return width * height * 3 // 2 * frames + _SOUND_BYTES


def epoch_of_ours(epoch: int) -> int:
    """Return the epoch, if a column could hold it. Raises ``NotFound``."""
    if not 0 <= epoch <= _LARGEST_EPOCH:
        raise NotFound()
    return epoch
