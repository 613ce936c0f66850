"""Doing the pieces of work that a render process is asked for.

The functions block, draw and encode; they touch local files only. What they are asked and answer
is in ``work``.
"""

import time
from collections import OrderedDict
from collections.abc import Callable, Sequence
from pathlib import Path

import msgspec
from msgspec.structs import replace

from flatrender.template.package import TemplatePackage
from flatrender_render.engines import (
    Box,
    InputBroken,
    Pixels,
    RenderSession,
    RenderSpec,
    SelfJudging,
    engine,
)
from flatrender_render.engines.scan_work import ScanProject, scan_project
from flatrender_render.engines.work import (
    DrawReference,
    DrawStill,
    Inspect,
    JoinSegments,
    LookAtFilm,
    LookAtRendition,
    MakePoster,
    MakeSheet,
    MixSound,
    ProbeFile,
    ProveFile,
    Reference,
    RenderChunk,
    Result,
    SegmentReport,
    Transcode,
    Work,
)
from flatrender_render.media.audio import mix
from flatrender_render.media.encode import SegmentEncoder, VideoFormat
from flatrender_render.media.join import join
from flatrender_render.media.pictures import jpeg, png, poster_of, preview, sheet_of
from flatrender_render.media.probe import probe
from flatrender_render.media.proof import prove, thumb_bytes, thumb_of_pixels
from flatrender_render.media.second_look import look_at_film, look_at_rendition
from flatrender_render.media.transcode import transcode

_SESSIONS_KEPT = 2
_PREVIEW_SECONDS = 2.0
_REFERENCE_SIDE = 192  # short side of reference pictures, pixels


class Sessions:
    """Open compositions of this process: chunks of one job follow each other."""

    def __init__(self) -> None:
        self._open: OrderedDict[bytes, RenderSession] = OrderedDict()

    def get(self, name: str, spec: RenderSpec) -> RenderSession:
        """Return the session of a composition. Raises ``EngineError``."""
        key = msgspec.msgpack.encode((name, spec), order="deterministic")
        found = self._open.get(key)
        if found is None:
            found = self._open[key] = engine(name).open(spec)
            if len(self._open) > _SESSIONS_KEPT:
                self._open.popitem(last=False)[1].close()
        else:
            self._open.move_to_end(key)
        return found


class Doer:
    """Does work. ``should_stop`` is asked often; ``report`` is told of every finished frame."""

    def __init__(
        self,
        should_stop: Callable[[], bool],
        report: Callable[[int, int, int, str | None], None],
    ) -> None:
        self._should_stop = should_stop
        self._report = report
        self._sessions = Sessions()

    def do(self, work: Work) -> Result:
        """Do one piece of work. Raises ``EngineError``, ``MediaError`` or ``Stopped``."""
        match work:
            case RenderChunk():
                return self._chunk(work)
            case DrawStill():
                pixels = self._session(work, work.frame).still(work.frame)
                return png(pixels) if work.format == "png" else jpeg(pixels, work.width)
            case DrawReference():
                return self._reference(work)
            case MixSound():
                return mix(
                    work.sources, work.frames, work.fps, Path(work.output), self._should_stop
                )
            case JoinSegments():
                audio = Path(work.audio) if work.audio else None
                return join(work.segments, Path(work.output), work.fps, audio, self._should_stop)
            case ProveFile():
                return prove(Path(work.path), work.expected, self._should_stop)
            case LookAtFilm():
                film = Path(work.path)
                told = (work.expected, work.frame, work.stills, work.sheet)
                return look_at_film(film, *told, self._should_stop)
            case LookAtRendition():
                film, path = Path(work.film), Path(work.path)
                return look_at_rendition(film, path, work.format, work.made, self._should_stop)
            case ProbeFile():
                return probe(Path(work.path))
            case MakeSheet():
                return sheet_of(Path(work.video), Path(work.output), work.count)
            case MakePoster():
                return poster_of(Path(work.video), work.frame, work.width)
            case Transcode():
                return transcode(
                    Path(work.source),
                    Path(work.output),
                    work.format,
                    tell=lambda done, total: self._report(done - 1, done, total, None),
                    should_stop=self._should_stop,
                )
            case Inspect():
                with TemplatePackage.open(Path(work.package)) as package:
                    return engine(work.engine).inspect(package)
            case ScanProject():
                return scan_project(work, self._should_stop)

    def _session(self, work: RenderChunk | DrawStill, *frames: int) -> RenderSession:
        session = self._sessions.get(work.engine, work.spec)
        if not 0 <= min(frames) <= frames[-1] < session.total_frames:
            raise InputBroken(f"no frames {frames} in a video of {session.total_frames}")
        return session

    def _chunk(self, work: RenderChunk) -> SegmentReport:
        started = time.perf_counter()
        session = self._session(work, work.first, work.last)
        form = VideoFormat(
            width=session.width,
            height=session.height,
            fps=session.fps,
            crf=work.crf,
            preset=work.preset,
        )
        opened = time.perf_counter()
        with SegmentEncoder(Path(work.output), form) as encoder:
            sink = _Sink(encoder, work, self._report)
            session.render_range(work.first, work.last, sink, self._should_stop)
            written = time.perf_counter()
            facts = encoder.finish()
        spent = facts.convert_seconds + facts.encode_seconds
        # What finishing took is in encode_seconds as well: only what lay before is subtracted.
        before = spent - (time.perf_counter() - written)
        return SegmentReport(
            first=work.first,
            last=work.last,
            frames=facts.frames,
            packets=facts.packets,
            size=facts.size,
            sha256=facts.sha256,
            open_seconds=opened - started,
            render_seconds=max(0.0, written - opened - before - sink.preview_seconds),
            convert_seconds=facts.convert_seconds,
            encode_seconds=facts.encode_seconds,
        )

    def _reference(self, work: DrawReference) -> Reference:
        spec = work.spec
        judge = engine(work.engine)
        if isinstance(judge, SelfJudging):
            return Reference(motion=judge.motion(spec, min(work.frames), max(work.frames)))
        shrink = min(1.0, _REFERENCE_SIDE / min(spec.width, spec.height))
        small = replace(
            spec,
            width=2 * max(8, round(spec.width * shrink / 2)),
            height=2 * max(8, round(spec.height * shrink / 2)),
        )
        session = self._sessions.get(work.engine, small)
        found = {}
        for done, frame in enumerate(work.frames, 1):
            self._should_stop()
            found[frame] = thumb_bytes(thumb_of_pixels(session.still(frame)))
            self._report(frame, done, len(work.frames), None)
        return Reference(thumbs=found)


class _Sink:
    """Encodes what an engine draws, and tells of it."""

    def __init__(
        self,
        encoder: SegmentEncoder,
        work: RenderChunk,
        report: Callable[[int, int, int, str | None], None],
    ) -> None:
        self._encoder = encoder
        self._work = work
        self._report = report
        self._shown = 0.0
        self.preview_seconds = 0.0

    @property
    def buffer(self) -> Pixels:
        """See ``FrameSink``."""
        return self._encoder.buffer

    def put(self, frame: int, changed: Sequence[Box] | None = None) -> None:
        """See ``FrameSink``."""
        self._encoder.write(changed)
        picture = None
        now = time.perf_counter()
        if self._work.previews and now - self._shown >= _PREVIEW_SECONDS:
            self._shown = now
            picture = preview(self._encoder.buffer)
            self.preview_seconds += time.perf_counter() - now
        total = self._work.last - self._work.first + 1
        self._report(frame, frame - self._work.first + 1, total, picture)
