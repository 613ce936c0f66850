"""The node API as one published JSON Schema: what is asked at which path, what is answered.

A document of the schema is one exchange: ``call`` (the path, with ``{id}`` and ``{epoch}`` where
they stand), ``request`` (null: no body) and ``answer`` (null: 204). What is sent is built where it
happens; the tests hold real traffic against this. Refusals are problems as everywhere.
"""

from typing import Any
from uuid import UUID

import msgspec
from msgspec import Struct

from flatrender.contracts.render import ScanClaim
from flatrender.errors import FieldError
from flatrender.template.composition import Composition, SceneInstance
from flatrender.template.project_scan import ProjectScan, ScanComp
from flatrender_render.domain import Step
from flatrender_render.farm import wire
from flatrender_render.farm.cache import CachedPackage
from flatrender_render.farm.claims import Claim, ClaimedJob
from flatrender_render.farm.fonts import Face
from flatrender_render.farm.link import Failure, Part
from flatrender_render.farm.rendition_wire import (
    RENDITIONS,
    RenditionAsk,
    RenditionBeat,
    RenditionMade,
)
from flatrender_render.farm.renditions import RenditionClaim
from flatrender_render.farm.repairs import Damage
from flatrender_render.farm.reports import FinishedExport, Piece
from flatrender_render.farm.scan_wire import SCANS, ScanFound, ScanRefused
from flatrender_render.stream_schema import DIALECT

_ID = UUID("01980d3e-5a5c-7cc1-9c1e-6f1d1f0a7b10")
_TENANT = UUID("00000000-0000-0000-0000-000000000001")
_SHA = "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08"
_STORE = "https://s3.example.ir/flatrender"
_PACKAGE = f"packages/{_SHA}.zip"
_SEGMENT = f"renders/{_TENANT}/{_ID}/video-00000.1.mp4"
_VIDEO = f"exports/{_TENANT}/{_ID}/1/video.mp4"
_WEBM = f"exports/{_TENANT}/{_ID}/{_ID}.1/video.webm"

_SCENE = SceneInstance(id=str(_ID), scene_key="intro", animation="intro", duration=5.0)
_CLAIM = Claim(
    id=_ID,
    kind="video",
    index=0,
    first_frame=0,
    last_frame=149,
    epoch=1,
    attempt=1,
    job=ClaimedJob(
        id=_ID,
        tenant_id=_TENANT,
        user_id=_ID,
        step="Queued",
        engine="lottie",
        package_object_key=_PACKAGE,
        package_sha256=_SHA,
        composition=Composition(
            width=1920, height=1080, fps=30, aspect="16:9", direction="rtl", scenes=[_SCENE]
        ),
        width=1280,
        height=720,
        fps=30,
        total_frames=150,
        watermark=False,
        resolution="720p",
        project_name="آغاز",
        aspect="16:9",
        duration=5.0,
        saved_project_id=_ID,
        has_audio=True,
        trace={},
    ),
)
_PIECE = Piece(object_key=_SEGMENT, sha256=_SHA, frames=150, packets=150, bytes=804_112, render=3.1)
_FAILED = wire.Failed(failure=Failure(code="disk_full", message="No space left on device"))
_EXPORT = FinishedExport(
    piece=Piece(object_key=_VIDEO, sha256=_SHA, frames=150, packets=0, bytes=921_004),
    duration=5.0,
    audio_codec="aac",
    poster_key=_VIDEO.replace("video.mp4", "poster.jpg"),
    thumbnail_key=_VIDEO.replace("video.mp4", "thumbnail.jpg"),
    sheet_key=_VIDEO.replace("video.mp4", "sheet.png"),
)
_UPLOAD = wire.UploadStart(key=_SEGMENT, size=9_000_000, content_type="video/mp4")
_PARTS = wire.UploadParts(
    upload_id="2~a8", part_bytes=wire.PART_BYTES, urls=[f"{_STORE}/1", f"{_STORE}/2"]
)
_END = wire.UploadEnd(key=_SEGMENT, upload_id="2~a8", etags=["9b2c", "1f0a"])
_STORED = wire.Stored(etag="5d41-2")


def _links(key: str) -> tuple[wire.Links, wire.PresignedLinks]:
    answer = wire.PresignedLinks(get={key: f"{_STORE}/{key}?X-Amz-Signature=…"}, put={})
    return wire.Links(get=[key]), answer


_HELLO = wire.Hello(
    boot_id=_ID,
    agent_version="1.0.0",
    hostname="studio-7",
    os="Windows",
    arch="AMD64",
    cpu_cores=16,
    memory_bytes=68_719_476_736,
    disk_total_bytes=1_000_000_000_000,
    disk_free_bytes=400_000_000_000,
    slots=2,
    engines={"aerender": "24.6+1", "lottie": "1"},
    packages=[CachedPackage(sha256=_SHA, bytes=1_204_331)],
    faces=[Face(family="Vazirmatn", postscript="Vazirmatn-Regular")],
)
_WELCOME = wire.Welcome(
    name="studio-7",
    heartbeat_seconds=5.0,
    lease_seconds=30.0,
    cache_budget_bytes=20_000_000_000,
    bandwidth_limit_bps=None,
)
_ORDER = wire.Command(id=_ID, act="drain", arguments={})
_PROJECT = ProjectScan(
    kind="full",
    project="project.aep",
    comps=[ScanComp(id=1, name="frfinal", width=1920, height=1080, fps=30.0, duration=5.0)],
)
_MADE = RenditionMade(
    width=1280, height=720, fps=30.0, frames=150, duration=5.0, size=702_113, sha256=_SHA,
    audio_codec="opus", seconds=12.4,
)  # fmt: skip
_HELD = f"{wire.API}/claims/{{id}}/{{epoch}}"
_SCAN = f"{SCANS}/{{id}}/{{epoch}}"
_RENDITION = f"{RENDITIONS}/{{id}}/{{epoch}}"
_SCANNED = ScanClaim(
    scan_id=_ID,
    tenant_id=_TENANT,
    epoch=1,
    source_object_key=_PACKAGE,
    source_sha256=_SHA,
    source_name="intro.zip",
)
_WANTED = RenditionClaim(
    id=_ID,
    tenant_id=_TENANT,
    job_id=_ID,
    format="webm",
    epoch=1,
    source_object_key=_VIDEO,
    source_sha256=_SHA,
)
_NO_PROJECT = FieldError(
    pointer="/", code="no_project", message_fa="پروژه‌ای نیست", message_en="There is no project"
)

#: Every call with an exchange as it may be; their types are the schema.
EXCHANGES: dict[str, tuple[Struct | None, Struct | None]] = {
    f"{wire.API}/hello": (_HELLO, _WELCOME),
    f"{wire.API}/pulse": (
        wire.Pulse(busy_slots=1, disk_free_bytes=400_000_000_000, load_average=0.7),
        wire.PulseAnswer(status="Busy", commands=[_ORDER]),
    ),
    f"{wire.API}/bye": (None, None),
    f"{wire.API}/commands/{{id}}": (wire.CommandResult(done=True, result={"busy_slots": 1}), None),
    f"{wire.API}/fonts/links": _links("fonts/vazirmatn.ttf"),
    f"{wire.API}/claims": (wire.Ask(engines=["lottie"], wait=25.0), _CLAIM),
    f"{wire.API}/claims/batch": (
        wire.AskMany(engines=["lottie"], wait=25.0, most=2),
        wire.Claims(claims=[_CLAIM]),
    ),
    f"{_HELD}/begin": (None, None),
    f"{_HELD}/beat": (wire.Beat(frames=42), None),
    f"{_HELD}/enter": (wire.Enter(step=Step.UPLOADING), None),
    f"{_HELD}/parts": (
        None,
        wire.Parts(
            parts=[
                Part(
                    kind="video",
                    index=0,
                    object_key=_SEGMENT,
                    sha256=_SHA,
                    packets=150,
                    bytes=804_112,
                    frames=150,
                )
            ]
        ),
    ),
    f"{_HELD}/complete": (wire.Completed(piece=_PIECE), None),
    f"{_HELD}/finish": (wire.Finished(export=_EXPORT), None),
    f"{_HELD}/fail": (_FAILED, None),
    f"{_HELD}/damaged": (
        wire.DamageFound(
            damages=[Damage(kind="video", index=0, defect="wrong_hash")], reason="video 0"
        ),
        None,
    ),
    f"{_HELD}/release": (None, None),
    f"{_HELD}/links": _links(_PACKAGE),
    f"{_HELD}/uploads": (_UPLOAD, _PARTS),
    f"{_HELD}/uploads/end": (_END, _STORED),
    SCANS: (wire.Ask(engines=["aerender"], wait=25.0), _SCANNED),
    f"{_SCAN}/beat": (None, None),
    f"{_SCAN}/links": _links(_PACKAGE),
    f"{_SCAN}/finish": (ScanFound(result=_PROJECT), None),
    f"{_SCAN}/refuse": (ScanRefused(errors=[_NO_PROJECT]), None),
    f"{_SCAN}/fail": (_FAILED, None),
    f"{_SCAN}/release": (None, None),
    RENDITIONS: (RenditionAsk(formats=["webm", "gif"], wait=25.0), _WANTED),
    f"{_RENDITION}/beat": (RenditionBeat(progress=0.4), None),
    f"{_RENDITION}/links": _links(_VIDEO),
    f"{_RENDITION}/uploads": (_UPLOAD, _PARTS),
    f"{_RENDITION}/uploads/end": (_END, _STORED),
    f"{_RENDITION}/finish": (_MADE, None),
    f"{_RENDITION}/fail": (_FAILED, None),
    f"{_RENDITION}/release": (None, None),
}
#: There may be nothing to do: 204.
_MAY_BE_EMPTY = frozenset({f"{wire.API}/claims", f"{wire.API}/claims/batch", SCANS, RENDITIONS})


def node_api_schema() -> dict[str, Any]:
    """Return the JSON Schema of every exchange of the node API, with examples."""
    messages = [message for pair in EXCHANGES.values() for message in pair if message is not None]
    kinds = list(dict.fromkeys(type(message) for message in messages))
    _, known = msgspec.json.schema_components(
        kinds, schema_hook=_anything, ref_template="#/$defs/{name}"
    )
    return {
        "$schema": DIALECT,
        "title": "The API of render nodes outside: one exchange",
        "oneOf": [_exchange(call, *pair) for call, pair in EXCHANGES.items()],
        "$defs": known,
        "examples": [
            {"call": call, **msgspec.to_builtins({"request": asked, "answer": got})}
            for call, (asked, got) in EXCHANGES.items()
        ],
    }


def _anything(kind: type) -> dict[str, Any]:
    """Return the schema of what a proof found."""
    if kind is object:
        return {"description": "Any JSON."}
    raise NotImplementedError(kind)


def _exchange(call: str, asked: Struct | None, got: Struct | None) -> dict[str, Any]:
    answer = _of(got)
    if call in _MAY_BE_EMPTY:
        answer = {"anyOf": [answer, {"type": "null"}]}
    return {
        "type": "object",
        "properties": {"call": {"const": call}, "request": _of(asked), "answer": answer},
        "required": ["call", "request", "answer"],
        "additionalProperties": False,
    }


def _of(message: Struct | None) -> dict[str, Any]:
    if message is None:
        return {"type": "null"}
    return {"$ref": f"#/$defs/{type(message).__name__}"}
