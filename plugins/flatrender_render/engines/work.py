"""The pieces of work that render processes do, as data.

Owns what goes over the pipe between ``pool`` (event loop) and ``worker`` (process): requests and
answers. The doing is in ``doer``.
"""

import struct
from typing import Literal

import msgspec
from msgspec import Struct

from flatrender.contracts.render import InspectionNote
from flatrender_render.engines import Motion, RenderSpec
from flatrender_render.engines.scan_work import ScanAnswer, ScanProject
from flatrender_render.media.audio import AudioSource, MixedAudio
from flatrender_render.media.join import JoinedVideo, SegmentFile
from flatrender_render.media.probe import MediaInfo
from flatrender_render.media.proof import Expectation, Proof
from flatrender_render.media.transcode import Format, Transcoded

#: Before every message on a pipe: how long it is, and what no message may be longer than.
LENGTH = struct.Struct("<I")
MAX_MESSAGE = 256 * 1024 * 1024


class RenderChunk(Struct, frozen=True, kw_only=True, tag="chunk"):
    """Render frames ``first`` to ``last`` (inclusive) into a segment at ``output``."""

    engine: str
    spec: RenderSpec
    first: int
    last: int
    output: str
    crf: int = 20
    preset: str = "veryfast"
    previews: bool = True


class DrawStill(Struct, frozen=True, kw_only=True, tag="still"):
    """Draw one frame as PNG or JPEG, scaled to ``width`` where given (JPEG only)."""

    engine: str
    spec: RenderSpec
    frame: int
    format: Literal["png", "jpeg"] = "png"
    width: int | None = None


class DrawReference(Struct, frozen=True, kw_only=True, tag="reference"):
    """Draw frames small and return thumbnails for ``Expectation.reference``.

    An engine that judges its own (``SelfJudging``) says what they must show instead.
    """

    engine: str
    spec: RenderSpec
    frames: list[int]


class MixSound(Struct, frozen=True, kw_only=True, tag="mix"):
    """Mix the sound of a video. See ``media.audio.mix``."""

    sources: list[AudioSource]
    frames: int
    fps: int
    output: str


class JoinSegments(Struct, frozen=True, kw_only=True, tag="join"):
    """Join segments and sound. See ``media.join.join``."""

    segments: list[SegmentFile]
    output: str
    fps: int
    audio: str | None = None


class ProveFile(Struct, frozen=True, kw_only=True, tag="prove"):
    """Prove a file. See ``media.proof.prove``."""

    path: str
    expected: Expectation


class LookAtFilm(Struct, frozen=True, kw_only=True, tag="look_film"):
    """Look again at a film and its stills. See ``media.second_look.look_at_film``."""

    path: str
    expected: Expectation
    frame: int = 0
    stills: dict[str, int] = {}
    sheet: str = ""


class LookAtRendition(Struct, frozen=True, kw_only=True, tag="look_rendition"):
    """Look again at a rendition. See ``media.second_look.look_at_rendition``."""

    film: str
    path: str
    format: Format
    made: Transcoded


class ProbeFile(Struct, frozen=True, kw_only=True, tag="probe"):
    """Say what a media file is. See ``media.probe.probe``."""

    path: str


class MakeSheet(Struct, frozen=True, kw_only=True, tag="sheet"):
    """Write a contact sheet of a video."""

    video: str
    output: str
    count: int = 6


class MakePoster(Struct, frozen=True, kw_only=True, tag="poster"):
    """Return a frame of a video as JPEG."""

    video: str
    frame: int
    width: int | None = None


class Transcode(Struct, frozen=True, kw_only=True, tag="transcode"):
    """Write a finished video in another format. See ``media.transcode``."""

    source: str
    output: str
    format: Format


class Inspect(Struct, frozen=True, kw_only=True, tag="inspect"):
    """Ask an engine about a package."""

    engine: str
    package: str


Work = (
    RenderChunk
    | DrawStill
    | DrawReference
    | MixSound
    | JoinSegments
    | ProveFile
    | LookAtFilm
    | LookAtRendition
    | ProbeFile
    | MakeSheet
    | MakePoster
    | Transcode
    | Inspect
    | ScanProject
)


class SegmentReport(Struct, frozen=True, kw_only=True):
    """A rendered chunk: what proves the file, and where the seconds went."""

    first: int
    last: int
    frames: int
    packets: int
    size: int
    sha256: str
    open_seconds: float
    render_seconds: float
    convert_seconds: float
    encode_seconds: float


class Reference(Struct, frozen=True, kw_only=True):
    """What a range is proven against: thumbnails by frame, or what its pictures must show."""

    thumbs: dict[int, bytes] = {}
    motion: Motion = Motion()


class Task(Struct, frozen=True, tag="task"):
    """To the process: do this."""

    id: int
    work: Work


class Cancel(Struct, frozen=True, tag="cancel"):
    """To the process: stop doing that."""

    id: int


class Ready(Struct, frozen=True, tag="ready"):
    """From the process: it is up."""

    pid: int


class Alive(Struct, frozen=True, tag="alive"):
    """From the process: still at it (work that has no frames)."""

    id: int


class Progress(Struct, frozen=True, kw_only=True, tag="progress"):
    """From the process: ``done`` of ``total`` frames; ``frame`` is the latest of the video.

    ``preview`` is a small JPEG as a data URL, at most one every two seconds.
    """

    id: int
    frame: int
    done: int
    total: int
    preview: str | None = None


class Done(Struct, frozen=True, tag="done"):
    """From the process: the work's result, encoded, and the processor time it took, seconds."""

    id: int
    result: msgspec.Raw
    processor_seconds: float = 0.0


class Failed(Struct, frozen=True, kw_only=True, tag="failed"):
    """From the process: why it could not be done.

    ``kind`` and ``frames`` come from a failed proof, ``frame`` and ``exit_code`` from an engine.
    """

    id: int
    code: str
    message: str
    frame: int | None = None
    kind: str = ""
    frames: list[int] = []
    exit_code: int | None = None


class Halted(Struct, frozen=True, tag="halted"):
    """From the process: stopped as told."""

    id: int


Request = Task | Cancel
Answer = Ready | Alive | Progress | Done | Failed | Halted

Result = (
    SegmentReport
    | bytes
    | Reference
    | MixedAudio
    | JoinedVideo
    | Proof
    | MediaInfo
    | Transcoded
    | list[InspectionNote]
    | ScanAnswer
    | int
)
