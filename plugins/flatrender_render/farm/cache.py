"""A node's local copies of packages and customers' files, addressed by content.

A copy is verified whenever it is taken, so a disk that rots costs a download and never a wrong
frame. Files of a use are pinned while it lasts, also against other workers that share the folder.
Least recently used copies go when the byte budget is passed.
"""

import asyncio
import contextlib
import hashlib
import os
import sys
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import IO, Annotated, Protocol

import structlog
from msgspec import Meta, Struct

from flatrender.clock import random_token
from flatrender.storage import ObjectMissing

if sys.platform != "win32":
    import fcntl

log = structlog.get_logger(__name__)

DEFAULT_BUDGET = 4 * 2**30
MOST_TOLD = 1000  # packages a node tells the farm of
TOLD_AGAIN = 60.0  # seconds after which all is told again, whether it changed or not

_PACKAGE = ".package"
_PART = ".part"
_DEAD = 24 * 3600.0  # seconds after which a download that nobody goes on with is removed

Digest = Annotated[str, Meta(pattern=r"^[0-9a-f]{64}$(?!\n)")]
Count = Annotated[int, Meta(ge=0, le=2**53)]
Age = Annotated[float, Meta(ge=0, le=1e9)]


class CachedPackage(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A template package that lies here. Ages in seconds: the clocks need not agree."""

    sha256: Digest
    bytes: Count
    pins: Annotated[int, Meta(ge=0, le=2**31 - 1)] = 0
    hits: Count = 0
    unused: Age = 0.0
    verified: Age | None = None


class Source(Protocol):
    """Where objects come from."""

    async def download(self, key: str, target: Path) -> None:
        """Write an object to ``target``. Raises ``ObjectMissing`` or ``StoreError``."""
        ...


class ContentLost(Exception):
    """The store has no object with these bytes (any more). ``digest`` says which were wanted."""

    def __init__(self, digest: str, reason: str) -> None:
        super().__init__(reason)
        self.digest = digest


class ContentCache:
    """Files of one folder, named by their SHA-256. ``budget`` in bytes."""

    def __init__(self, folder: Path, *, budget: int = DEFAULT_BUDGET) -> None:
        self._folder = folder
        self.budget = budget
        self._locks: dict[str, asyncio.Lock] = {}
        self._pins: dict[str, int] = {}
        self._hits: dict[str, int] = {}
        self._verified: dict[str, float] = {}
        self._changed = asyncio.Event()
        self._told_at = -TOLD_AGAIN

    @contextlib.asynccontextmanager
    async def hold(
        self, wanted: dict[str, str], source: Source, *, package: str = ""
    ) -> AsyncIterator[dict[str, Path]]:
        """Yield local paths for ``wanted`` (SHA-256 -> object key), pinned while the block lasts.

        ``package`` is the one of them that the farm is told of. What is not here, or is not what
        it was, is fetched from ``source``. Raises ``StoreError`` or :class:`ContentLost`.
        """
        names = {digest: digest + _PACKAGE * (digest == package) for digest in wanted}
        for name in names.values():
            self._pins[name] = self._pins.get(name, 0) + 1
        with contextlib.ExitStack() as held:
            try:
                # All of them end before the pins go, also when one fails.
                found = await asyncio.gather(
                    *(self._take(d, names[d], key, source, held) for d, key in wanted.items()),
                    return_exceptions=True,
                )
                for one in found:
                    if isinstance(one, BaseException):
                        raise one
                yield {digest: self._folder / name for digest, name in names.items()}
            finally:
                for name in names.values():
                    self._pins[name] -= 1
                    if not self._pins[name]:
                        del self._pins[name]
                        self._locks.pop(name, None)

    async def news(self) -> list[CachedPackage] | None:
        """Return every package that lies here, if there is something to tell the farm.

        That is when one came or went, and every minute: a farm that forgot us learns it again.
        Who could not deliver it calls :meth:`unheard`.
        """
        now = time.monotonic()
        if not self._changed.is_set() and now - self._told_at < TOLD_AGAIN:
            return None
        self._changed.clear()
        self._told_at = now
        return await self.packages()

    def unheard(self) -> None:
        """Let the next :meth:`news` tell all again."""
        self._told_at = -TOLD_AGAIN

    async def packages(self) -> list[CachedPackage]:
        """Return the packages that lie here, the most recently used first."""
        return await asyncio.to_thread(self._packages)

    async def until_changed(self, seconds: float) -> None:
        """Wait until a package came or went, at most ``seconds``."""
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._changed.wait(), seconds)

    async def clean(self) -> int:
        """Remove every copy that is not pinned; returns the bytes that are free again."""
        return await self._shrink(0)

    async def _take(
        self, digest: str, name: str, key: str, source: Source, held: contextlib.ExitStack
    ) -> None:
        """Have a sound copy at its place, pinned until ``held`` ends."""
        async with self._locks.setdefault(name, asyncio.Lock()):
            path = self._folder / name
            pin = await asyncio.to_thread(_sound, path, digest)
            if pin is None:
                self._folder.mkdir(parents=True, exist_ok=True)
                fresh = self._folder / f"{name}.{random_token(6)}{_PART}"
                try:
                    await self._download(key, fresh, digest, source)
                    pin = _Pin(fresh)  # before others can see it
                    fresh.replace(path)
                finally:
                    fresh.unlink(missing_ok=True)
                held.callback(pin.close)
                self._note_change(name)
                await self._shrink(self.budget)
            else:
                held.callback(pin.close)
                self._hits[name] = self._hits.get(name, 0) + 1
            self._verified[name] = time.monotonic()

    async def _download(self, key: str, target: Path, digest: str, source: Source) -> None:
        """Write the object to ``target``; wrong bytes are fetched once more before it counts."""
        for _ in range(2):
            try:
                await source.download(key, target)
            except ObjectMissing as error:
                raise ContentLost(digest, f"{key} is missing") from error
            if await asyncio.to_thread(file_digest, target) == digest:
                return
        raise ContentLost(digest, f"{key} is not what it was")

    def _note_change(self, name: str) -> None:
        if name.endswith(_PACKAGE):
            self._changed.set()

    async def _shrink(self, budget: int) -> int:
        """Remove unpinned copies, least recently used first, down to ``budget`` bytes."""
        gone = await asyncio.to_thread(self._evict, budget)
        for name in gone:
            self._hits.pop(name, None)
            self._verified.pop(name, None)
            self._note_change(name)
        return sum(gone.values())

    def _evict(self, budget: int) -> dict[str, int]:
        gone: dict[str, int] = {}
        copies = self._copies()
        total = sum(size for _, size, _ in copies)
        for _, size, path in sorted(copies):
            if total <= budget:
                break
            if path.name not in self._pins and _remove_unused(path):
                total -= size
                gone[path.name] = size
        return gone

    def _copies(self) -> list[tuple[float, int, Path]]:
        """Return when each copy was last used, its size and path; remove dead downloads."""
        found = []
        with contextlib.suppress(FileNotFoundError), os.scandir(self._folder) as entries:
            for entry in entries:
                try:
                    info = entry.stat()
                except FileNotFoundError:  # another worker was faster
                    continue
                if not entry.is_file():
                    continue
                if entry.name.endswith(_PART):
                    if time.time() - info.st_mtime > _DEAD:
                        Path(entry.path).unlink(missing_ok=True)
                    continue
                found.append((info.st_mtime, info.st_size, Path(entry.path)))
        return found

    def _packages(self) -> list[CachedPackage]:
        now, moment = time.time(), time.monotonic()
        return [
            CachedPackage(
                sha256=path.name.removesuffix(_PACKAGE),
                bytes=size,
                pins=self._pins.get(path.name, 0),
                hits=self._hits.get(path.name, 0),
                unused=max(0.0, now - used),
                verified=moment - seen if (seen := self._verified.get(path.name)) else None,
            )
            for used, size, path in sorted(self._copies(), reverse=True)
            if path.name.endswith(_PACKAGE)
        ][:MOST_TOLD]


def _sound(path: Path, digest: str) -> "_Pin | None":
    """Return a pin on a copy that is what it should be; None where there is none (any more)."""
    try:
        pin = _Pin(path)
    except FileNotFoundError:
        return None
    with contextlib.suppress(FileNotFoundError):
        if file_digest(path) != digest:
            log.warning("cached_copy_damaged", digest=digest)
            path.unlink(missing_ok=True)
        elif pin.is_on(path):
            os.utime(path)  # the clock of the least-recently-used order
            return pin
    pin.close()
    return None


class _Pin:
    """Keeps every worker of this machine from removing a copy, until :meth:`close`.

    A lock of the system's, so it ends with the process. On Windows, where an open file can be
    neither replaced nor removed, there is none: a folder there belongs to one node.
    """

    def __init__(self, path: Path) -> None:
        self._file: IO[bytes] | None = None
        if sys.platform != "win32":
            self._file = path.open("rb")
            fcntl.flock(self._file, fcntl.LOCK_SH)

    def is_on(self, path: Path) -> bool:
        """Whether the copy at ``path`` is the pinned one, and not put there since."""
        return self._file is None or os.fstat(self._file.fileno()).st_ino == path.stat().st_ino

    def close(self) -> None:
        """Let go."""
        if self._file is not None:
            self._file.close()


def _remove_unused(path: Path) -> bool:
    """Remove a copy unless a worker of this machine has pinned it."""
    try:
        if sys.platform != "win32":
            with path.open("rb") as file:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                path.unlink()
        else:
            path.unlink()
    except FileNotFoundError:
        return True
    except OSError:  # pinned
        return False
    return True


def file_digest(path: Path) -> str:
    """Return the SHA-256 of a file, in hexadecimal."""
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()
