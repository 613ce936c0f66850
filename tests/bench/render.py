"""Rendering against encode-only at 1080p, with one and two processes.

Ours: ``RenderPool`` and its worker processes, as the farm uses them. The yardstick: the very
encoder of ``media/encode.py`` (colour conversion included) fed with the same frames already drawn
in memory. Every sample opens its composition anew, so that nothing drawn before helps; opening is
not counted, as a farm opens once per job. With two processes both work on the same range. One turn
of each contestant goes before and is not counted: memory that a process touches for the first time
costs it (up to 30 us a page in a virtual machine), and a farm's processes live for many pieces.

Every ratio is given twice: by the clock, and by processor time per frame, which hardly moves when
other work shares the cores.
"""

import asyncio
import hashlib
import multiprocessing
import os
import time
from collections.abc import Collection
from itertools import count
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import numpy as np
from msgspec import Struct
from tests.bench.stack import heading, processor_seconds, temporary_folder, verdict

from flatrender.template.composition import Composition, SceneInstance
from flatrender.template.package import TemplatePackage
from flatrender.testing import packages as make
from flatrender.testing.rounds import medians, ratio, turns
from flatrender_render.engines import RenderSpec, engine
from flatrender_render.engines.pool import PoolLimits, RenderPool
from flatrender_render.engines.work import RenderChunk, SegmentReport

RICH, SIMPLE, GAIN = 0.80, 0.92, 0.95
_SIZES = {"16:9": (1920, 1080), "9:16": (1080, 1920), "1:1": (1080, 1080)}
_LINE = "{:<26} {:>7} {:>7} {:>7} {:>7} {:>8} {:>8} {:>6} {:>6} {:>6} {:>8}  {}"
_COLUMNS = ("ours 1", "bare 1", "ours 2", "bare 2", "ratio 1", "ratio 2", "gain",
            "cpu 1", "cpu 2", "cpu gain", "render / convert / encode")  # fmt: skip
_BUDGET = 60.0  # seconds per template after which no further round begins
_serial = count()


class Subject(Struct, frozen=True, kw_only=True):
    """A template and the range of frames (inclusive) that is measured."""

    name: str
    goal: float
    spec: RenderSpec
    first: int
    last: int

    def fresh(self) -> RenderSpec:
        """Return a spec with the same pixels that no session was opened for yet."""
        from msgspec.structs import replace

        number = next(_serial)
        scenes = [
            replace(scene, id=f"{scene.id}-{number}") for scene in self.spec.composition.scenes
        ]
        return replace(self.spec, composition=replace(self.spec.composition, scenes=scenes))

    def chunk(self, spec: RenderSpec, output: Path) -> RenderChunk:
        """Return the work of one sample."""
        return RenderChunk(
            engine="lottie",
            spec=spec,
            first=self.first,
            last=self.last,
            output=str(output),
            previews=False,
        )


def run(*, quick: bool) -> None:
    """Measure and print."""
    frames, rounds = (30, 2) if quick else (60, 9)
    with temporary_folder() as folder:
        subjects = _subjects(folder, frames)
        heading(
            f"Render against encode-only, 1080p (at most {rounds} rounds of {frames} frames "
            "from the middle, medians)"
        )
        asyncio.run(_measure(subjects, rounds, folder))


async def _measure(subjects: list[Subject], rounds: int, folder: Path) -> None:
    limits = PoolLimits(nice=0)  # the yardstick's processes are not nice either
    lines: list[str] = []
    print(_LINE.format("frames/s", *_COLUMNS), flush=True)
    async with RenderPool(1, limits) as single, RenderPool(2, limits) as double:
        pools = {1: single, 2: double}
        for pool in pools.values():
            await pool.warm_up()
        for subject in subjects:
            with _Encoders(subject, folder) as encoders:
                walls, costs, shares = await _subject(subject, rounds, pools, encoders, folder)
            lines.append(_report(subject, walls, costs, shares))
    print("\n".join(lines))


def _report(
    subject: Subject,
    walls: list[dict[str, float]],
    costs: list[dict[str, float]],
    shares: list[float],
) -> str:
    """Print a subject's line and return its verdict."""
    rate = medians(walls)
    gain, steady = _gain(walls), _gain(costs)
    one, two = ratio(walls, "render1", "encode1"), ratio(walls, "render2", "encode2")
    cheap1, cheap2 = ratio(costs, "render1", "encode1"), ratio(costs, "render2", "encode2")
    print(
        _LINE.format(
            subject.name,
            *(f"{rate[name]:.1f}" for name in ("render1", "encode1", "render2", "encode2")),
            *(f"{value:.2f}" for value in (one, two, gain, cheap1, cheap2, steady)),
            " / ".join(f"{share:.0%}" for share in shares),
        ),
        flush=True,
    )
    return (
        f"{subject.name}: two processes {two:.2f} of encode-only ({verdict(two, subject.goal)}; "
        f"by processor time {cheap2:.2f}), the second gains {gain:.2f} of what a bare encoder's "
        f"does ({verdict(gain, GAIN)}; by processor time {steady:.2f})"
    )


def _gain(rounds: list[dict[str, float]]) -> float:
    """Return what the second process gains, over what it gains a bare encoder."""
    gains = [
        {
            "ours": each["render2"] / each["render1"],
            "bare": each["encode2"] / each["encode1"],
        }
        for each in rounds
    ]
    return ratio(gains, "ours", "bare")


async def _subject(
    subject: Subject,
    rounds: int,
    pools: dict[int, RenderPool],
    encoders: "_Encoders",
    folder: Path,
) -> tuple[list[dict[str, float]], list[dict[str, float]], list[float]]:
    """Return, by contestant and round, frames per second and frames per processor second (times
    processes, so that both read alike), and the mean shares of ours."""
    frames = subject.last - subject.first + 1
    walls: list[dict[str, float]] = []
    costs: list[dict[str, float]] = []
    spent = np.zeros(3)
    for processes, pool in pools.items():
        await asyncio.to_thread(encoders.run, processes)
        await render(subject, pool, processes, folder)
    deadline = time.monotonic() + _BUDGET
    for order in turns(["render1", "encode1", "render2", "encode2"], rounds):
        wall: dict[str, float] = {}
        cost: dict[str, float] = {}
        for name in order:
            processes = int(name[-1])
            if name.startswith("encode"):
                seconds, used = await asyncio.to_thread(encoders.run, processes)
            else:
                seconds, used, reports = await render(subject, pools[processes], processes, folder)
                for r in reports:
                    spent += (r.render_seconds, r.convert_seconds, r.encode_seconds)
            wall[name] = processes * frames / seconds
            cost[name] = processes * processes * frames / used
        walls.append(wall)
        costs.append(cost)
        if time.monotonic() > deadline:
            break
    return walls, costs, list(spent / spent.sum())


async def render(
    subject: Subject, pool: RenderPool, processes: int, folder: Path
) -> tuple[float, float, list[SegmentReport]]:
    """Render the range in every process of ``pool``; return seconds, processor seconds, reports."""
    spec = subject.fresh()
    # Each process opens the composition, as it does once per job, by drawing its first frame.
    await asyncio.gather(*(pool.snapshot("lottie", spec, 0, width=64) for _ in range(processes)))
    works = [subject.chunk(spec, folder / f"ours-{n}.mp4") for n in range(processes)]
    pids = [worker.process.pid for worker in pool._workers]
    used = -sum(processor_seconds(pid) for pid in pids)
    begun = time.perf_counter()
    reports = await asyncio.gather(*(pool.render_chunk(work) for work in works))
    seconds = time.perf_counter() - begun
    used += sum(processor_seconds(pid) for pid in pids)
    return seconds, used, list(reports)


class _Encoders:
    """Two processes that hold a subject's frames and encode them when told."""

    def __init__(self, subject: Subject, folder: Path) -> None:
        context = multiprocessing.get_context("spawn")
        self._pipes: list[Connection] = []
        self._processes: list[Any] = []
        for number in range(2):
            ours, theirs = context.Pipe()
            process = context.Process(
                target=_encode_when_told,
                args=(theirs, subject, folder / f"bare-{number}.mp4"),
                daemon=True,
            )
            process.start()
            self._pipes.append(ours)
            self._processes.append(process)

    def __enter__(self) -> "_Encoders":
        for pipe in self._pipes:
            assert pipe.recv() == "drawn"
        return self

    def __exit__(self, *_exc: object) -> None:
        for process in self._processes:
            process.kill()
            process.join()

    def run(self, processes: int) -> tuple[float, float]:
        """Have ``processes`` of them encode; return seconds and processor seconds."""
        begun = time.perf_counter()
        for pipe in self._pipes[:processes]:
            pipe.send("encode")
        used = sum(pipe.recv() for pipe in self._pipes[:processes])
        return time.perf_counter() - begun, used


def _encode_when_told(pipe: Connection, subject: Subject, output: Path) -> None:
    """Draw the frames once, then encode them with the product's own encoder on every word."""
    import av

    from flatrender_render.engines.heap import keep_freed
    from flatrender_render.media.encode import SegmentEncoder, VideoFormat

    os.environ["OMP_NUM_THREADS"] = "1"
    keep_freed()  # as render processes do: the yardstick runs at its best
    session = engine("lottie").open(subject.spec)
    frames = [session.still(n) for n in range(subject.first, subject.last + 1)]
    form = VideoFormat(width=session.width, height=session.height, fps=session.fps)
    session.close()
    pipe.send("drawn")
    while pipe.recv() == "encode":
        begun = time.process_time()
        with SegmentEncoder(output, form) as encoder:
            for pixels in frames:
                # The encoder reads these pixels where they lie, as it reads its own buffer.
                encoder._converter.source = av.VideoFrame.from_numpy_buffer(pixels, format="bgra")
                encoder.write()
            encoder.finish()
        pipe.send(time.process_time() - begun)


def _subjects(folder: Path, frames: int) -> list[Subject]:
    """Return every demo template in its first aspect, and a plain one."""
    made = [(slug, RICH, data) for slug, data in demo_packages().items()]
    made.append(("plain (a square travels)", SIMPLE, plain()))
    return [subject_of(folder, name, goal, data, frames) for name, goal, data in made]


def demo_packages(slugs: Collection[str] = ()) -> dict[str, bytes]:
    """Return the demo templates, all or those named, as packages without their songs."""
    from flatrender_content.catalogue import build
    from flatrender_content.catalogue.kit.package import Materials, assemble
    from flatrender_content.catalogue.sound.encode import opus
    from flatrender_content.catalogue.sound.music import SONGS
    from flatrender_content.catalogue.sound.synth import RATE
    from flatrender_content.catalogue.templates import TEMPLATES

    silence = opus(np.zeros((RATE // 2, 2)))  # composing songs is slow, and sound is not drawn
    materials = Materials(build.picture, build.effect, lambda _: silence, {s.key: s for s in SONGS})
    return {t.slug: assemble(t, materials) for t in TEMPLATES if not slugs or t.slug in slugs}


def plain() -> bytes:
    """Return a template with a moving square on a background."""
    navy = [level / 255 for level in (0x11, 0x22, 0x33)]  # the manifest's own default
    main = make.animation(width=1920, height=1080, frames=300, background=navy)
    scene = make.scene(duration=10, min_duration=5, max_duration=20)
    manifest = make.manifest(variants=[make.variant(scene, width=1920, height=1080)])
    return make.package(manifest, make.entries(main=main))


def subject_of(
    folder: Path, name: str, goal: float, data: bytes, frames: int, *, only: str | None = None
) -> Subject:
    """Return a package, or ``only`` one scene of it, with ``frames`` from its middle to measure."""
    digest = hashlib.sha256(data).hexdigest()
    path = folder / f"{digest}.lottie"
    path.write_bytes(data)
    with TemplatePackage.open(path) as package:
        manifest = package.manifest
    variant = manifest.variants[0]
    chosen = [s for s in variant.scenes if (s.key == only if only else s.in_default)]
    scenes = [
        SceneInstance(
            id=f"s{n}",
            scene_key=scene.key,
            animation=scene.animation,
            duration=scene.duration,
            transition=scene.transition,
            intro=scene.intro,
            outro=scene.outro,
        )
        for n, scene in enumerate(chosen)
    ]
    width, height = _SIZES[variant.aspect]
    spec = RenderSpec(
        package=str(path),
        package_sha256=digest,
        composition=Composition(
            width=variant.width,
            height=variant.height,
            fps=variant.fps,
            aspect=variant.aspect,
            direction=manifest.direction,
            scenes=scenes,
            colors={color.key: color.default for color in manifest.shared_colors},
        ),
        width=width,
        height=height,
    )
    session = engine("lottie").open(spec)
    first = max(0, session.total_frames // 2 - frames // 2)
    last = min(session.total_frames, first + frames) - 1
    session.close()
    return Subject(name=name, goal=goal, spec=spec, first=first, last=last)
