"""Rendering against encode-only at 1080p, with one and two processes.

Ours: ``RenderPool`` and its worker processes, as the farm uses them. The yardstick: the very
encoder of ``media/encode.py`` (colour conversion included) fed with the same frames already drawn
in memory. Every sample opens its composition anew, so that nothing drawn before helps; opening is
not counted, as a farm opens once per job. With two processes both work on the same range.
"""

import asyncio
import hashlib
import multiprocessing
import os
import time
from itertools import count
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import numpy as np
from msgspec import Struct
from tests.bench.stack import heading, table, temporary_folder, verdict

from flatrender.template.composition import Composition, SceneInstance
from flatrender.template.package import TemplatePackage
from flatrender.testing import packages as make
from flatrender.testing.rounds import medians, ratio, turns
from flatrender_render.engines import RenderSpec, engine
from flatrender_render.engines.pool import PoolLimits, RenderPool
from flatrender_render.engines.work import RenderChunk, SegmentReport

RICH, SIMPLE, GAIN = 0.75, 0.9, 0.95
_SIZES = {"16:9": (1920, 1080), "9:16": (1080, 1920), "1:1": (1080, 1080)}
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

    def chunk(self, output: Path) -> RenderChunk:
        """Return the work of one sample; ``fresh`` afterwards gives another session."""
        return RenderChunk(
            engine="lottie",
            spec=self.fresh(),
            first=self.first,
            last=self.last,
            output=str(output),
            previews=False,
        )


def run(*, quick: bool) -> None:
    """Measure and print."""
    frames, rounds = (30, 2) if quick else (60, 3)
    with temporary_folder() as folder:
        subjects = _subjects(folder, frames)
        heading(
            f"Render against encode-only, 1080p ({rounds} rounds of {frames} frames from the "
            "middle, medians)"
        )
        asyncio.run(_measure(subjects, rounds, folder))


async def _measure(subjects: list[Subject], rounds: int, folder: Path) -> None:
    limits = PoolLimits(nice=0)  # the yardstick's processes are not nice either
    rows: list[list[str]] = []
    lines: list[str] = []
    async with RenderPool(2, limits) as pool:
        await pool.warm_up()
        for subject in subjects:
            with _Encoders(subject, folder) as encoders:
                seen, shares = await _subject(subject, rounds, pool, encoders, folder)
            rate = medians(seen)
            gains = [each["render2"] / each["render1"] for each in seen]
            bare = [each["encode2"] / each["encode1"] for each in seen]
            relative = [{"ours": a, "bare": b} for a, b in zip(gains, bare, strict=True)]
            one, two = ratio(seen, "render1", "encode1"), ratio(seen, "render2", "encode2")
            gain = ratio(relative, "ours", "bare")
            rows.append(
                [
                    subject.name,
                    *(f"{rate[k]:.0f}" for k in ("render1", "encode1", "render2", "encode2")),
                    f"{one:.2f}",
                    f"{two:.2f}",
                    f"{gain:.2f}",
                    " / ".join(f"{share:.0%}" for share in shares),
                ]
            )
            lines.append(
                f"{subject.name}: {two:.2f} of encode-only with two ({verdict(two, subject.goal)})"
                f"; gain of the second {gain:.2f} of a bare encoder's ({verdict(gain, GAIN)})"
            )
    table(
        ["frames/s", "ours 1", "bare 1", "ours 2", "bare 2", "ratio 1", "ratio 2", "gain",
         "render / convert / encode"],
        rows,
    )  # fmt: skip
    print("\n".join(lines))


async def _subject(
    subject: Subject, rounds: int, pool: RenderPool, encoders: "_Encoders", folder: Path
) -> tuple[list[dict[str, float]], list[float]]:
    """Return frames/s by contestant and round, and the mean shares of ours."""
    frames = subject.last - subject.first + 1
    seen: list[dict[str, float]] = []
    spent = np.zeros(3)
    for order in turns(["render1", "encode1", "render2", "encode2"], rounds):
        rate: dict[str, float] = {}
        for name in order:
            processes = int(name[-1])
            if name.startswith("encode"):
                rate[name] = processes * frames / await asyncio.to_thread(encoders.run, processes)
                continue
            seconds, reports = await _render(subject, pool, processes, folder)
            rate[name] = processes * frames / seconds
            for r in reports:
                spent += (r.render_seconds, r.convert_seconds, r.encode_seconds)
        seen.append(rate)
    return seen, list(spent / spent.sum())


async def _render(
    subject: Subject, pool: RenderPool, processes: int, folder: Path
) -> tuple[float, list[SegmentReport]]:
    """Render the range in ``processes`` processes; return seconds without opening."""
    works = [subject.chunk(folder / f"ours-{n}.mp4") for n in range(processes)]
    begun = time.perf_counter()
    reports = await asyncio.gather(*(pool.render_chunk(work) for work in works))
    seconds = time.perf_counter() - begun
    return seconds - max(report.open_seconds for report in reports), list(reports)


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

    def run(self, processes: int) -> float:
        """Return the seconds until ``processes`` of them have encoded their frames."""
        begun = time.perf_counter()
        for pipe in self._pipes[:processes]:
            pipe.send("encode")
        for pipe in self._pipes[:processes]:
            pipe.recv()
        return time.perf_counter() - begun


def _encode_when_told(pipe: Connection, subject: Subject, output: Path) -> None:
    """Draw the frames once, then encode them with the product's own encoder on every word."""
    import av

    from flatrender_render.media.encode import SegmentEncoder, VideoFormat

    os.environ["OMP_NUM_THREADS"] = "1"
    session = engine("lottie").open(subject.spec)
    frames = [session.still(n) for n in range(subject.first, subject.last + 1)]
    form = VideoFormat(width=session.width, height=session.height, fps=session.fps)
    session.close()
    pipe.send("drawn")
    while pipe.recv() == "encode":
        with SegmentEncoder(output, form) as encoder:
            for pixels in frames:
                # The encoder reads these pixels where they lie, as it reads its own buffer.
                encoder._source = av.VideoFrame.from_numpy_buffer(pixels, format="bgra")
                encoder.write()
            encoder.finish()
        pipe.send("encoded")


def _subjects(folder: Path, frames: int) -> list[Subject]:
    """Return every demo template in its first aspect, and a plain one."""
    from flatrender_content.catalogue import build
    from flatrender_content.catalogue.kit.package import Materials, assemble
    from flatrender_content.catalogue.sound.encode import opus
    from flatrender_content.catalogue.sound.music import SONGS
    from flatrender_content.catalogue.sound.synth import RATE
    from flatrender_content.catalogue.templates import TEMPLATES

    silence = opus(np.zeros((RATE // 2, 2)))  # composing songs is slow, and sound is not drawn
    materials = Materials(build.picture, build.effect, lambda _: silence, {s.key: s for s in SONGS})
    made = [(t.slug, RICH, assemble(t, materials)) for t in TEMPLATES]
    made.append(("plain (a square travels)", SIMPLE, _plain()))
    return [_subject_of(folder, name, goal, data, frames) for name, goal, data in made]


def _plain() -> bytes:
    """Return a template with a moving square on a background."""
    main = make.animation(width=1920, height=1080, frames=300)
    scene = make.scene(duration=10, min_duration=5, max_duration=20)
    manifest = make.manifest(variants=[make.variant(scene, width=1920, height=1080)])
    return make.package(manifest, make.entries(main=main))


def _subject_of(folder: Path, name: str, goal: float, data: bytes, frames: int) -> Subject:
    digest = hashlib.sha256(data).hexdigest()
    path = folder / f"{digest}.lottie"
    path.write_bytes(data)
    with TemplatePackage.open(path) as package:
        manifest = package.manifest
    variant = manifest.variants[0]
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
        for n, scene in enumerate(scene for scene in variant.scenes if scene.in_default)
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
