"""The messages of ``flatrender.v1`` as published Structs, and the schemas made of them.

What is sent is built where it happens; the tests hold real traffic against these. Ids are
``<Unix milliseconds>-<progress in ten-thousandths>``: a reconnecting client sends the last one
back as ``Last-Event-ID`` (or ``last_event_id`` in the query).
"""

from typing import Annotated, Any
from uuid import UUID

import msgspec
from msgspec import Meta, Struct

from flatrender_render.domain import Step
from flatrender_render.farm.rules import BUILTIN, Rule

DIALECT = "https://json-schema.org/draft/2020-12/schema"
Fraction = Annotated[float, Meta(ge=0, le=1)]
Count = Annotated[int, Meta(ge=0)]
Seconds = Annotated[float, Meta(ge=0)]
MessageId = Annotated[str, Meta(pattern=r"^[0-9]{1,14}-[0-9]{1,5}$")]
#: 5 to 15 KB of JPEG, in base64 with its header.
Preview = Annotated[str, Meta(pattern=r"^data:image/jpeg;base64,", max_length=21_000)]


class _Message(Struct, frozen=True, kw_only=True, tag_field="type", forbid_unknown_fields=True):
    id: MessageId
    job_id: UUID


class Hello(_Message, frozen=True, kw_only=True, tag="hello"):
    """First of all: the state as it is. ``resumed`` when the client said where it left off."""

    step: Step
    progress: Fraction
    current_frame: Count
    total_frames: Count
    eta_seconds: Seconds | None
    resumed: bool
    protocol: Annotated[str, Meta(pattern=r"^flatrender\.v1$")]


class Progress(_Message, frozen=True, kw_only=True, tag="progress"):
    """At most one every 500 ms, never going backwards; a picture at most every 2 s."""

    step: Step
    progress: Fraction
    current_frame: Count
    total_frames: Count
    eta_seconds: Seconds | None
    active_nodes: Count
    message: str
    preview_b64: Preview | msgspec.UnsetType = msgspec.UNSET


class StepChange(_Message, frozen=True, kw_only=True, tag="step_change"):
    """The job entered a step."""

    step: Step
    progress: Fraction


class FrameRepair(_Message, frozen=True, kw_only=True, tag="frame_repair"):
    """Frames that did not pass their proof are made again."""

    missing_frames: Count
    corrupt_frames: Count
    attempt: Annotated[int, Meta(ge=1, le=3)]
    max_attempts: Annotated[int, Meta(ge=1)]


class NodeEvent(_Message, frozen=True, kw_only=True, tag="node_event"):
    """A node lost its attempt; another takes over by itself."""

    event: str


class Done(_Message, frozen=True, kw_only=True, tag="done"):
    """The export is proven. The last message."""

    step: Step
    progress: Fraction
    current_frame: Count
    total_frames: Count
    export_id: UUID
    output_url: str
    thumbnail_url: str
    duration_sec: Seconds
    size_bytes: Count
    compute_seconds: Seconds


class Failed(_Message, frozen=True, kw_only=True, tag="failed"):
    """The job ended without a video; what it took is given back. The last message."""

    step: Step
    code: str | None
    message: str | None
    message_fa: str | None
    retryable: bool


class Cancelled(_Message, frozen=True, kw_only=True, tag="cancelled"):
    """The job was stopped. The last message."""

    step: Step


class Ping(Struct, frozen=True, tag_field="type", tag="ping"):
    """Sockets only: proxies cut what is silent. Clients may send it too and get ``pong``."""


class Pong(Struct, frozen=True, tag_field="type", tag="pong"):
    """Sockets only: the answer to a client's ``ping``."""


StreamMessage = (
    Hello
    | Progress
    | StepChange
    | FrameRepair
    | NodeEvent
    | Done
    | Failed
    | Cancelled
    | Ping
    | Pong
)

_JOB = UUID("01a1fe70-bf9f-785d-bcdf-f086ddcff885")
_EXPORT = UUID("01a1fe70-c0aa-7e20-8d7c-5a2f1d3e4b6a")
_BASE = f"https://api.example.ir/v1/exports/{_EXPORT}"

EXAMPLES: tuple[Any, ...] = (
    Hello(
        id="1795270167881-0",
        job_id=_JOB,
        step=Step.QUEUED,
        progress=0.0,
        current_frame=0,
        total_frames=450,
        eta_seconds=31.5,
        resumed=False,
        protocol="flatrender.v1",
    ),
    StepChange(id="1795270168086-0", job_id=_JOB, step=Step.RENDERING, progress=0.0),
    Progress(
        id="1795270171204-2533",
        job_id=_JOB,
        step=Step.RENDERING,
        progress=0.2533,
        current_frame=120,
        total_frames=450,
        eta_seconds=22.1,
        active_nodes=2,
        message="",
        preview_b64="data:image/jpeg;base64,/9j/4AAQSkZJRg==",
    ),
    FrameRepair(
        id="1795270180512-9500",
        job_id=_JOB,
        missing_frames=0,
        corrupt_frames=60,
        attempt=1,
        max_attempts=3,
    ),
    NodeEvent(id="1795270182000-9500", job_id=_JOB, event="worker_crashed"),
    Done(
        id="1795270199001-10000",
        job_id=_JOB,
        step=Step.DONE,
        progress=1.0,
        current_frame=450,
        total_frames=450,
        export_id=_EXPORT,
        output_url=f"{_BASE}/download",
        thumbnail_url=f"{_BASE}/thumbnail",
        duration_sec=15.0,
        size_bytes=4_812_331,
        compute_seconds=41.302,
    ),
    Failed(
        id="1795270199001-0",
        job_id=_JOB,
        step=Step.FAILED,
        code="input_broken",
        message="One of your files could not be read. Upload it again; nothing was charged.",
        message_fa="یکی از فایل‌های شما خوانده نشد. آن را دوباره بارگذاری کنید؛ هزینه‌ای کم نشد.",
        retryable=False,
    ),
    Cancelled(id="1795270199001-0", job_id=_JOB, step=Step.CANCELLED),
)


def render_stream_schema() -> dict[str, Any]:
    """Return the JSON Schema of every message of ``flatrender.v1``, with examples."""
    schema = msgspec.json.schema(StreamMessage)
    return {
        "$schema": DIALECT,
        "title": "flatrender.v1: messages of a render's live stream",
        **schema,
        "examples": [msgspec.to_builtins(one) for one in EXAMPLES],
    }


def failure_rules_schema() -> dict[str, Any]:
    """Return the JSON Schema of a set of failure rules; the built-in ones are its example."""
    schema = msgspec.json.schema(list[Rule])
    return {
        "$schema": DIALECT,
        "title": "Failure rules of the render farm",
        **schema,
        "examples": [msgspec.to_builtins(list(BUILTIN))],
    }
