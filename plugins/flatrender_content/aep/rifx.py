"""RIFX: the container of a project file, big-endian RIFF, read with bounds.

A chunk is a four-letter id, its size and that many bytes, padded to an even count; a ``LIST`` has a
four-letter type and then chunks. What follows the outermost chunk (XMP metadata) is not ours.
Never allocates by a size that the file claims: everything is a view of the bytes at hand.
"""

import time
from collections.abc import Iterator
from dataclasses import dataclass, field

from flatrender_content.aep.errors import ProjectRefused

_HEADER = 8
_CLOCK_EVERY = 4096


@dataclass(frozen=True, slots=True)
class Limits:
    """Bounds on one project file: bytes, counts, nesting, seconds."""

    file_bytes: int = 256 * 1024 * 1024
    chunks: int = 4_000_000
    depth: int = 48
    items: int = 20_000
    layers: int = 100_000
    text_bytes: int = 4 * 1024 * 1024
    seconds: float = 30.0


@dataclass(slots=True)
class Budget:
    """What one reading may still spend; raises ``ProjectRefused`` when it is used up."""

    limits: Limits
    deadline: float = field(init=False)
    chunks: int = 0

    def __post_init__(self) -> None:
        """Start the clock."""
        self.deadline = time.monotonic() + self.limits.seconds

    def chunk(self, offset: int) -> None:
        """Count one chunk, and look at the clock now and then."""
        self.chunks += 1
        if self.chunks > self.limits.chunks:
            raise ProjectRefused("too_many_chunks", offset, limit=self.limits.chunks)
        if self.chunks % _CLOCK_EVERY == 0 and time.monotonic() > self.deadline:
            raise ProjectRefused("took_too_long", offset, limit=self.limits.seconds)


@dataclass(frozen=True, slots=True)
class Chunk:
    """One chunk. ``id`` is its own or, for a list, the list's type with ``is_list`` set.

    ``start`` and ``end`` are where its data lies in the file (a list's type left out).
    """

    id: bytes
    is_list: bool
    start: int
    end: int
    depth: int


class Rifx:
    """An opened project file."""

    def __init__(self, data: bytes, limits: Limits | None = None) -> None:
        limits = limits or Limits()
        if len(data) > limits.file_bytes:
            raise ProjectRefused("project_too_large", 0, size=len(data), limit=limits.file_bytes)
        if data[:4] != b"RIFX" or data[8:12] != b"Egg!":
            raise ProjectRefused("not_a_project", 0)
        end = _HEADER + int.from_bytes(data[4:8], "big")
        if end > len(data):
            raise ProjectRefused("file_truncated", 4, size=len(data), wanted=end)
        self.limits = limits
        self.budget = Budget(limits)
        self._data = data
        self.root = Chunk(b"Egg!", True, _HEADER + 4, end, 0)

    def children(self, parent: Chunk) -> Iterator[Chunk]:
        """Yield the chunks of a list, in order. Raises ``ProjectRefused``."""
        data, at, end, depth = self._data, parent.start, parent.end, parent.depth + 1
        if depth > self.limits.depth:
            raise ProjectRefused("too_deep", parent.start, limit=self.limits.depth)
        while at < end:
            self.budget.chunk(at)
            if at + _HEADER > end:
                raise ProjectRefused("chunk_truncated", at)
            name = data[at : at + 4]
            size = int.from_bytes(data[at + 4 : at + _HEADER], "big")
            start = at + _HEADER
            if size > end - start:
                raise ProjectRefused("chunk_truncated", at)
            if name == b"LIST":
                if size < 4:
                    raise ProjectRefused("chunk_too_short", at, chunk="LIST", size=size, wanted=4)
                yield Chunk(data[start : start + 4], True, start + 4, start + size, depth)
            else:
                yield Chunk(name, False, start, start + size, depth)
            at = start + size + (size & 1)  # the very last pad byte may be missing

    def bytes(self, chunk: Chunk, at_least: int = 0) -> bytes:
        """Return a chunk's data. Raises ``ProjectRefused`` when it is shorter than ``at_least``."""
        if chunk.end - chunk.start < at_least:
            raise ProjectRefused(
                "chunk_too_short",
                chunk.start,
                chunk=chunk.id.decode("latin-1"),
                size=chunk.end - chunk.start,
                wanted=at_least,
            )
        return self._data[chunk.start : chunk.end]
