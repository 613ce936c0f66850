"""The messages of a batch's live stream as published Structs, and the schema made of them.

What is sent is built in ``batch_audience``; the tests hold real traffic against these. Ids are as
in a render's stream.
"""

from typing import Annotated, Any
from uuid import UUID

import msgspec
from msgspec import Meta, Struct

from flatrender_render.stream_schema import DIALECT, Count, Fraction, MessageId, Ping, Pong

Url = Annotated[str, Meta(pattern="^https?://")]


class _Message(Struct, frozen=True, kw_only=True, tag_field="type", forbid_unknown_fields=True):
    id: MessageId
    batch_id: UUID
    progress: Fraction
    total: Count
    waiting: Count
    running: Count
    done: Count
    failed: Count
    cancelled: Count


class BatchHello(_Message, frozen=True, kw_only=True, tag="hello"):
    """First of all: the state as it is. ``resumed`` when the client said where it left off."""

    state: Annotated[str, Meta(pattern="^(Running|Done|Failed|Cancelled)$")]
    resumed: bool
    protocol: Annotated[str, Meta(pattern=r"^flatrender\.v1$")]


class BatchProgress(_Message, frozen=True, kw_only=True, tag="progress"):
    """A change, at most one every 500 ms; ``progress`` over all rows never goes backwards."""

    state: Annotated[str, Meta(pattern="^Running$")]


class BatchDone(_Message, frozen=True, kw_only=True, tag="done"):
    """Every row has ended and at least one has its video. The last message."""

    state: Annotated[str, Meta(pattern="^Done$")]
    results_url: Url


class BatchFailed(_Message, frozen=True, kw_only=True, tag="failed"):
    """Every row has ended and none has a video. The last message."""

    state: Annotated[str, Meta(pattern="^Failed$")]
    results_url: Url


class BatchCancelled(_Message, frozen=True, kw_only=True, tag="cancelled"):
    """It was stopped and every row has ended. The last message."""

    state: Annotated[str, Meta(pattern="^Cancelled$")]
    results_url: Url


BatchStreamMessage = (
    BatchHello | BatchProgress | BatchDone | BatchFailed | BatchCancelled | Ping | Pong
)

_BATCH = UUID("01a1fe70-bf9f-785d-bcdf-f086ddcff885")
_RESULTS = f"https://api.example.ir/v1/batches/{_BATCH}/results.csv"


def _counts(**changed: int) -> dict[str, int]:
    counts = {"total": 40, "waiting": 0, "running": 0, "done": 0, "failed": 0, "cancelled": 0}
    return {**counts, **changed}


EXAMPLES: tuple[Any, ...] = (
    BatchHello(
        id="1795270167881-0",
        batch_id=_BATCH,
        state="Running",
        progress=0.0,
        resumed=False,
        protocol="flatrender.v1",
        **_counts(waiting=40),
    ),
    BatchProgress(
        id="1795270171204-2533",
        batch_id=_BATCH,
        state="Running",
        progress=0.2533,
        **_counts(waiting=4, running=26, done=9, failed=1),
    ),
    BatchDone(
        id="1795270199001-10000",
        batch_id=_BATCH,
        state="Done",
        progress=1.0,
        results_url=_RESULTS,
        **_counts(done=39, failed=1),
    ),
    BatchFailed(
        id="1795270199001-10000",
        batch_id=_BATCH,
        state="Failed",
        progress=1.0,
        results_url=_RESULTS,
        **_counts(failed=40),
    ),
    BatchCancelled(
        id="1795270199001-10000",
        batch_id=_BATCH,
        state="Cancelled",
        progress=1.0,
        results_url=_RESULTS,
        **_counts(done=12, cancelled=28),
    ),
)


def batch_stream_schema() -> dict[str, Any]:
    """Return the JSON Schema of every message of a batch's stream, with examples."""
    return {
        "$schema": DIALECT,
        "title": "flatrender.v1: messages of a batch's live stream",
        **msgspec.json.schema(BatchStreamMessage),
        "examples": [msgspec.to_builtins(one) for one in EXAMPLES],
    }
