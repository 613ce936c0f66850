"""The farm's pure rules: states and legal transitions, sizes, chunks, progress. No I/O.

Every change of a job's step or a frame job's state goes through the tables below; a move that is
not in them is a bug and raises. The property tests walk random histories over these tables.
"""

import math
from collections.abc import Iterator, Mapping
from enum import StrEnum
from typing import Literal

from msgspec import Struct

GOP_FRAMES = 60
MAX_BLAMED_ATTEMPTS = 3
MAX_REPAIRS = 3
#: A point of priority is worth a minute of waiting; more than this nobody gets.
MAX_PRIORITY = 100


class Step(StrEnum):
    """Steps of a render job, in the words clients see."""

    QUEUED = "Queued"
    PREPARING = "Preparing"
    RENDERING = "Rendering"
    REPAIRING = "Repairing"
    VALIDATING = "Validating"
    ENCODING = "Encoding"
    UPLOADING = "Uploading"
    PAUSED = "Paused"
    DONE = "Done"
    FAILED = "Failed"
    CANCELLED = "Cancelled"


class FrameState(StrEnum):
    """States of a frame job (one range of frames, or one of the job's other pieces of work)."""

    WAITING = "Waiting"
    CLAIMED = "Claimed"
    DONE = "Done"
    FAILED = "Failed"
    CANCELLED = "Cancelled"


TERMINAL: frozenset[Step] = frozenset({Step.DONE, Step.FAILED, Step.CANCELLED})

_WORKING = (
    Step.PREPARING,
    Step.RENDERING,
    Step.REPAIRING,
    Step.ENCODING,
    Step.UPLOADING,
    Step.VALIDATING,
)

STEP_MOVES: Mapping[Step, frozenset[Step]] = {
    Step.QUEUED: frozenset(
        {Step.PREPARING, Step.RENDERING, Step.PAUSED, Step.FAILED, Step.CANCELLED}
    ),
    Step.PREPARING: frozenset({Step.RENDERING, Step.PAUSED, Step.FAILED, Step.CANCELLED}),
    Step.RENDERING: frozenset(
        {Step.REPAIRING, Step.ENCODING, Step.PAUSED, Step.FAILED, Step.CANCELLED}
    ),
    Step.REPAIRING: frozenset(
        {Step.RENDERING, Step.ENCODING, Step.PAUSED, Step.FAILED, Step.CANCELLED}
    ),
    Step.ENCODING: frozenset(
        {Step.REPAIRING, Step.UPLOADING, Step.VALIDATING, Step.FAILED, Step.CANCELLED}
    ),
    Step.UPLOADING: frozenset({Step.REPAIRING, Step.VALIDATING, Step.FAILED, Step.CANCELLED}),
    Step.VALIDATING: frozenset({Step.REPAIRING, Step.DONE, Step.FAILED, Step.CANCELLED}),
    Step.PAUSED: frozenset({Step.QUEUED, Step.FAILED, Step.CANCELLED}),
    Step.DONE: frozenset(),
    Step.FAILED: frozenset({Step.QUEUED}),  # retry by a person; keeps proven ranges
    Step.CANCELLED: frozenset(),
}

FRAME_MOVES: Mapping[FrameState, frozenset[FrameState]] = {
    FrameState.WAITING: frozenset({FrameState.CLAIMED, FrameState.CANCELLED, FrameState.FAILED}),
    FrameState.CLAIMED: frozenset(
        {FrameState.DONE, FrameState.WAITING, FrameState.FAILED, FrameState.CANCELLED}
    ),
    FrameState.DONE: frozenset({FrameState.WAITING}),  # proof failed later: repair
    FrameState.FAILED: frozenset({FrameState.WAITING}),  # retry
    FrameState.CANCELLED: frozenset(),
}


class IllegalMove(Exception):
    """Somebody tried a transition that the tables do not have."""


def check_step(before: Step, after: Step) -> None:
    """Raise :class:`IllegalMove` unless the job may go from ``before`` to ``after``."""
    if after not in STEP_MOVES[before]:
        raise IllegalMove(f"job: {before} -> {after}")


def check_frame(before: FrameState, after: FrameState) -> None:
    """Raise :class:`IllegalMove` unless the frame job may go from ``before`` to ``after``."""
    if after not in FRAME_MOVES[before]:
        raise IllegalMove(f"frame job: {before} -> {after}")


def sources_of(after: Step) -> list[str]:
    """Return the steps from which ``after`` may be reached: for the WHERE of an UPDATE."""
    return [str(step) for step, moves in STEP_MOVES.items() if after in moves]


Resolution = Literal["360p", "540p", "720p", "1080p", "4K"]
SHORT_SIDE: Mapping[str, int] = {"360p": 360, "540p": 540, "720p": 720, "1080p": 1080, "4K": 2160}


def output_size(width: int, height: int, resolution: str) -> tuple[int, int]:
    """Return even output dimensions: the short side is the resolution's name (4K: 2160).

    9:16 at 4K is 2160x3840. Raises ``KeyError`` for an unknown resolution.
    """
    short = SHORT_SIDE[resolution]
    scale = short / min(width, height)

    def even(value: float) -> int:
        return max(2, 2 * round(value / 2))

    return even(width * scale), even(height * scale)


class FrameRange(Struct, frozen=True):
    """Frames ``first`` to ``last``, both inclusive, counted from 0."""

    first: int
    last: int

    @property
    def count(self) -> int:
        """The number of frames."""
        return self.last - self.first + 1


def chunks(frames: int, *, gops: int = 1) -> Iterator[FrameRange]:
    """Cut ``frames`` into ranges of whole GOPs, so that segments join by packet copy.

    ``gops`` GOPs of 60 frames a chunk; the last one takes what is left.
    """
    size = GOP_FRAMES * gops
    for first in range(0, frames, size):
        yield FrameRange(first, min(frames, first + size) - 1)


def gops_per_chunk(frames: int, slots: int) -> int:
    """Choose the chunk length: enough chunks to fill the slots evenly, few enough to be cheap.

    Long videos get longer chunks (at most 10 GOPs), so that a job has at most a few hundred.
    """
    total = math.ceil(frames / GOP_FRAMES)
    return max(1, min(10, total // max(1, slots * 4)))


class ErrorClass(StrEnum):
    """What failed, which decides what happens next."""

    NODE = "node"
    TEMPLATE = "template"
    INPUT = "input"
    RESOURCE = "resource"
    LICENCE = "licence"
    TRANSIENT = "transient"


#: Attempts of these classes count against the job; the others are the farm's own business.
BLAMED: frozenset[ErrorClass] = frozenset({ErrorClass.TEMPLATE, ErrorClass.INPUT})


def overall_progress(step: Step, rendered: int, total: int) -> float:
    """Return 0..1 over the whole job: 95 % is rendering, the rest joining, moving and proving.

    A job that waits again (resumed, retried) has what it keeps.
    """
    fixed = {
        Step.ENCODING: 0.95,
        Step.UPLOADING: 0.97,
        Step.VALIDATING: 0.98,
        Step.DONE: 1.0,
    }
    if step in fixed:
        return fixed[step]
    return 0.95 * min(1.0, rendered / max(1, total))


def cancel_refund(rendered: int, total: int) -> float:
    """Return the fraction of the charge that a customer's cancel gives back: what was not
    rendered."""
    return max(0.0, min(1.0, 1.0 - rendered / max(1, total)))
