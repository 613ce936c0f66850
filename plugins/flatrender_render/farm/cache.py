"""A node's local copies of packages and customers' files, addressed by content.

A copy is verified when it arrives; files of a use are pinned while it lasts. Least recently used
copies go when the byte budget is passed.
"""

import asyncio
import contextlib
import hashlib
import os
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Protocol

from flatrender.clock import random_token
from flatrender.storage import ObjectMissing

DEFAULT_BUDGET = 4 * 2**30


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

    @contextlib.asynccontextmanager
    async def hold(self, wanted: dict[str, str], source: Source) -> AsyncIterator[dict[str, Path]]:
        """Yield local paths for ``wanted`` (SHA-256 -> object key), pinned while the block lasts.

        What is not here is fetched from ``source``. Raises ``StoreError`` or :class:`ContentLost`.
        """
        for digest in wanted:
            self._pins[digest] = self._pins.get(digest, 0) + 1
        try:
            found = await asyncio.gather(
                *(self._fetch(d, key, source) for d, key in wanted.items())
            )
            yield dict(zip(wanted, found, strict=True))
        finally:
            for digest in wanted:
                self._pins[digest] -= 1
                if not self._pins[digest]:
                    del self._pins[digest]

    async def _fetch(self, digest: str, key: str, source: Source) -> Path:
        lock = self._locks.setdefault(digest, asyncio.Lock())
        async with lock:
            path = self._folder / digest
            if path.is_file():
                os.utime(path)  # the clock of the least-recently-used order
                return path
            self._folder.mkdir(parents=True, exist_ok=True)
            fresh = self._folder / f"{digest}.{random_token(6)}.part"
            try:
                await self._download(key, fresh, digest, source)
                fresh.replace(path)
            finally:
                fresh.unlink(missing_ok=True)
            await asyncio.to_thread(self._evict)
            return path

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

    def clean(self) -> int:
        """Remove every copy that is not pinned; returns the bytes that are free again."""
        return self._shrink(0) if self._folder.is_dir() else 0

    def _evict(self) -> None:
        self._shrink(self.budget)

    def _shrink(self, budget: int) -> int:
        """Remove unpinned copies, least recently used first, down to ``budget`` bytes."""
        freed = 0
        files = [
            (entry.stat().st_mtime, entry.stat().st_size, Path(entry.path))
            for entry in os.scandir(self._folder)
            if entry.is_file() and not entry.name.endswith(".part")
        ]
        total = sum(size for _, size, _ in files)
        for _, size, path in sorted(files):
            if total <= budget:
                break
            if path.name not in self._pins:
                path.unlink(missing_ok=True)
                total -= size
                freed += size
        return freed


def file_digest(path: Path) -> str:
    """Return the SHA-256 of a file, in hexadecimal."""
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()
