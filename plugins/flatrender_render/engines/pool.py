"""Render processes for an event loop: each piece of work in a process of its own.

Owns handing out work and what becomes of it. A crash or a hang costs the one piece of work
that met it; the next gets a fresh process. Only process trees started here are ended. The loop
never blocks: it waits on pipes.
"""

import asyncio
import contextlib
import os
from collections.abc import Callable
from contextvars import ContextVar
from itertools import count
from pathlib import Path
from types import TracebackType
from typing import Self, TypeVar

import msgspec

from flatrender.contracts.render import InspectionNote
from flatrender_render.engines import RenderSpec
from flatrender_render.engines.process import (
    Interrupted,
    PoolError,
    PoolLimits,
    RenderProcess,
    Watch,
    WorkerCrashed,
    WorkerHung,
    WorkFailed,
)
from flatrender_render.engines.scan_work import ScanAnswer, ScanProject
from flatrender_render.engines.work import (
    Cancel,
    Done,
    DrawReference,
    DrawStill,
    Failed,
    Halted,
    Inspect,
    JoinSegments,
    LookAtFilm,
    LookAtRendition,
    MakePoster,
    MakeSheet,
    MixSound,
    ProbeFile,
    Progress,
    ProveFile,
    Reference,
    RenderChunk,
    SegmentReport,
    Task,
    Transcode,
    Work,
)
from flatrender_render.media.audio import AudioSource, MixedAudio
from flatrender_render.media.errors import ProofFailed, Stopped
from flatrender_render.media.join import JoinedVideo, SegmentFile
from flatrender_render.media.probe import MediaInfo
from flatrender_render.media.proof import Expectation, Proof
from flatrender_render.media.transcode import Format, Transcoded

__all__ = [
    "SPENT",
    "Interrupted",
    "OnProgress",
    "PoolError",
    "PoolLimits",
    "RenderPool",
    "WorkFailed",
    "WorkerCrashed",
    "WorkerHung",
]

#: Where set, processor time of what is done is added up here, seconds by kind of work.
SPENT: ContextVar[dict[str, float] | None] = ContextVar("processor_seconds", default=None)

T = TypeVar("T")
OnProgress = Callable[[Progress], None]


class RenderPool:
    """``size`` render processes. Use as an async context manager.

    Work beyond ``size`` waits its turn. Snapshots that must be quick while videos render want a
    pool of their own. ``env`` adds to the processes' environment.
    """

    def __init__(
        self, size: int = 2, limits: PoolLimits | None = None, env: dict[str, str] | None = None
    ) -> None:
        self.limits = limits or PoolLimits()
        # One thread each: processes are how the cores are shared.
        self._env = os.environ | {"OMP_NUM_THREADS": "1"} | (env or {})
        self._slots: asyncio.Queue[RenderProcess | None] = asyncio.Queue()
        for _ in range(size):
            self._slots.put_nowait(None)
        self._workers: set[RenderProcess] = set()
        self._ids = count(1)
        self._closed = False
        self._doing: set[_Doing] = set()

    async def __aenter__(self) -> Self:
        """Return self; processes start when they are first needed."""
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """End all processes."""
        await self.close()

    async def warm_up(self) -> None:
        """Start all idle slots' processes now, so that the first frame does not wait for it."""
        idle = []
        while not self._slots.empty():
            idle.append(self._slots.get_nowait())

        async def warm(worker: RenderProcess | None) -> None:
            try:
                if worker is None or not worker.alive:
                    worker = await self._start()
            finally:
                self._slots.put_nowait(worker)

        await asyncio.gather(*(warm(worker) for worker in idle))

    async def close(self) -> None:
        """End all processes; what they do fails with ``WorkerCrashed``."""
        self._closed = True
        await asyncio.gather(*(worker.kill() for worker in list(self._workers)))
        self._workers.clear()

    async def interrupt(self, engine: str) -> int:
        """End what is being done for an engine, with every program that it started.

        Returns how much that was; whoever waits for it gets ``Interrupted``. What does not stop
        by itself within ``grace`` dies with its process. What only waits its turn is left alone.
        """
        doing = [one for one in self._doing if one.engine == engine]
        for one in doing:
            one.recall.set()
        await asyncio.gather(*(one.over.wait() for one in doing))
        return len(doing)

    async def render_chunk(
        self,
        work: RenderChunk,
        on_progress: OnProgress | None = None,
        cancel: asyncio.Event | None = None,
    ) -> SegmentReport:
        """Render a range into a segment file.

        Raises ``WorkFailed``, ``WorkerCrashed``, ``WorkerHung``, or ``Stopped`` within two
        seconds of ``cancel``; no file is left then (after a crash it may be: ignore it).
        """
        return await self._run(work, SegmentReport, on_progress, cancel)

    async def snapshot(
        self, engine: str, spec: RenderSpec, frame: int, *, width: int | None = None
    ) -> bytes:
        """Return a frame: PNG at the spec's size, or JPEG ``width`` pixels wide."""
        work = DrawStill(
            engine=engine,
            spec=spec,
            frame=frame,
            format="png" if width is None else "jpeg",
            width=width,
        )
        return await self._run(work, bytes)

    async def reference(self, engine: str, spec: RenderSpec, frames: list[int]) -> Reference:
        """Return thumbnails of frames of the video, to prove segments against.

        An engine whose frames cost too much to draw twice says what they must show instead.
        """
        work = DrawReference(engine=engine, spec=spec, frames=frames)
        return await self._run(work, Reference)

    async def prove_chunk(
        self, work: RenderChunk, report: SegmentReport, samples: int = 5
    ) -> Proof:
        """Prove a rendered range: its bytes, frames and times, and its pictures.

        ``samples`` frames are drawn again, small, and compared. Raises ``ProofFailed``.
        """
        return await self.prove_range(work, report.sha256, report.size, samples)

    async def prove_range(
        self, work: RenderChunk, sha256: str, size: int, samples: int = 5
    ) -> Proof:
        """As ``prove_chunk``, of a segment at ``work.output`` that anybody rendered."""
        count = work.last - work.first + 1
        step = max(1, (count - 1) // max(1, samples - 1))
        frames = sorted({*range(work.first, work.last + 1, step), work.last})
        reference = await self.reference(work.engine, work.spec, frames)
        expected = Expectation(
            width=work.spec.width,
            height=work.spec.height,
            fps=work.spec.composition.fps,
            frames=count,
            sha256=sha256,
            size=size,
            reference={frame - work.first: cells for frame, cells in reference.thumbs.items()},
            visible=reference.motion.visible,
            moves=reference.motion.moves,
        )
        return await self.prove(Path(work.output), expected)

    async def mix(
        self,
        sources: list[AudioSource],
        frames: int,
        fps: int,
        output: Path,
        cancel: asyncio.Event | None = None,
    ) -> MixedAudio:
        """Mix the sound. See ``media.audio.mix``."""
        work = MixSound(sources=sources, frames=frames, fps=fps, output=str(output))
        return await self._run(work, MixedAudio, cancel=cancel)

    async def join(
        self,
        segments: list[SegmentFile],
        output: Path,
        fps: int,
        audio: Path | None = None,
        cancel: asyncio.Event | None = None,
    ) -> JoinedVideo:
        """Join segments. See ``media.join.join``."""
        work = JoinSegments(
            segments=segments, output=str(output), fps=fps, audio=str(audio) if audio else None
        )
        return await self._run(work, JoinedVideo, cancel=cancel)

    async def prove(self, path: Path, expected: Expectation) -> Proof:
        """Prove a file. Raises ``ProofFailed``; see ``media.proof.prove``."""
        return await self._run(ProveFile(path=str(path), expected=expected), Proof)

    async def look(self, work: LookAtFilm | LookAtRendition) -> Proof:
        """Look again at what another machine made. Raises ``ProofFailed``."""
        return await self._run(work, Proof)

    async def probe(self, path: Path) -> MediaInfo:
        """Say what a media file is."""
        return await self._run(ProbeFile(path=str(path)), MediaInfo)

    async def sheet(self, video: Path, output: Path, count: int = 6) -> None:
        """Write a contact sheet (PNG) of a video."""
        await self._run(MakeSheet(video=str(video), output=str(output), count=count), int)

    async def poster(self, video: Path, frame: int, width: int | None = None) -> bytes:
        """Return a frame of a video as JPEG."""
        return await self._run(MakePoster(video=str(video), frame=frame, width=width), bytes)

    async def transcode(
        self,
        source: Path,
        output: Path,
        form: Format,
        on_progress: OnProgress | None = None,
        cancel: asyncio.Event | None = None,
    ) -> Transcoded:
        """Write a finished video in another format. See ``media.transcode.transcode``."""
        work = Transcode(source=str(source), output=str(output), format=form)
        return await self._run(work, Transcoded, on_progress, cancel)

    async def inspect(self, engine: str, package: Path) -> list[InspectionNote]:
        """Return what an engine says of a package (``TemplateInspector``)."""
        return await self._run(Inspect(engine=engine, package=str(package)), list[InspectionNote])

    async def scan(self, work: ScanProject, cancel: asyncio.Event | None = None) -> ScanAnswer:
        """Return what an engine finds in a project. Raises as ``render_chunk`` does."""
        return await self._run(work, ScanAnswer, cancel=cancel)

    async def _start(self) -> RenderProcess:
        worker = await RenderProcess.start(self.limits, dict(self._env))
        self._workers.add(worker)
        return worker

    async def _run(
        self,
        work: Work,
        kind: type[T],
        on_progress: OnProgress | None = None,
        cancel: asyncio.Event | None = None,
    ) -> T:
        if self._closed:
            raise PoolError("the pool is closed")
        worker = await self._slots.get()
        healthy = False
        doing: _Doing | None = None
        try:
            if cancel is not None and cancel.is_set():
                healthy = True
                raise Stopped
            if worker is not None and (
                not worker.alive or worker.works >= self.limits.works_per_process
            ):
                await self._drop(worker)
                worker = None
            if worker is None:
                worker = await self._start()
            worker.works += 1
            doing = _Doing(getattr(work, "engine", ""))
            self._doing.add(doing)
            answer = await self._converse(worker, work, on_progress, (cancel, doing.recall))
            healthy = True
            if isinstance(answer, Done) and (spent := SPENT.get()) is not None:
                name = type(work).__name__
                spent[name] = round(spent.get(name, 0.0) + answer.processor_seconds, 4)
        finally:
            if worker is not None and not healthy:
                # Also when the caller was cancelled: nobody waits for what is being made.
                await asyncio.shield(self._drop(worker))
                worker = None
            self._slots.put_nowait(worker)
            if doing is not None:
                self._doing.discard(doing)
                doing.over.set()
        stopped = isinstance(answer, Halted)
        if stopped and doing.recall.is_set() and not (cancel is not None and cancel.is_set()):
            raise Interrupted(f"{doing.engine} was closed on this machine")
        return _result(answer, kind)

    async def _drop(self, worker: RenderProcess) -> None:
        self._workers.discard(worker)
        await worker.kill()

    async def _converse(
        self,
        worker: RenderProcess,
        work: Work,
        on_progress: OnProgress | None,
        cancels: tuple[asyncio.Event | None, ...],
    ) -> Done | Failed | Halted:
        """Send the work and wait for its end, with the watchdogs on; any of ``cancels`` ends it."""
        number = next(self._ids)
        watch = Watch(self.limits)
        await worker.send(Task(number, work))
        stoppers = {asyncio.create_task(one.wait()) for one in cancels if one is not None}
        deadline: float | None = None  # set once cancelled
        loop = asyncio.get_running_loop()
        incoming = asyncio.create_task(worker.receive())
        try:
            while True:
                left = watch.seconds if deadline is None else max(0.0, deadline - loop.time())
                done, _ = await asyncio.wait(
                    {incoming, *stoppers}, timeout=left, return_when=asyncio.FIRST_COMPLETED
                )
                if done & stoppers:
                    while stoppers:
                        stoppers.pop().cancel()
                    deadline = loop.time() + self.limits.grace
                    await worker.send(Cancel(number))
                if incoming in done:
                    answer = incoming.result()
                    if isinstance(answer, Done | Failed | Halted):
                        return answer
                    watch.sign(answer)
                    if isinstance(answer, Progress) and on_progress is not None:
                        on_progress(answer)
                    incoming = asyncio.create_task(worker.receive())
                elif deadline is not None and loop.time() >= deadline:
                    await self._drop(worker)  # it does not listen: ended, as was asked
                    return Halted(number)
                elif not done:
                    await worker.kill()
                    raise WorkerHung(watch.phase, left, worker.log)
        finally:
            for stopper in stoppers:
                stopper.cancel()
            incoming.cancel()
            # Awaited also when it is done: what a killed process leaves there is nobody's news.
            with contextlib.suppress(asyncio.CancelledError, PoolError):
                await incoming


class _Doing:
    """A piece of work in a process: ``recall`` ends it, ``over`` is set once it has ended."""

    def __init__(self, engine: str) -> None:
        self.engine = engine
        self.recall = asyncio.Event()
        self.over = asyncio.Event()


def _result(answer: Done | Failed | Halted, kind: type[T]) -> T:
    if isinstance(answer, Halted):
        raise Stopped
    if isinstance(answer, Failed):
        if answer.code == ProofFailed.code:
            message = answer.message.removeprefix(f"{answer.kind}: ")
            raise ProofFailed(answer.kind, message, tuple(answer.frames))
        raise WorkFailed(answer.code, answer.message, answer.frame, answer.exit_code)
    return msgspec.msgpack.decode(answer.result, type=kind)
