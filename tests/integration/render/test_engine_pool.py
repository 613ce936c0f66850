"""Render processes: real ones, with an engine from a third party that can do everything wrong.

The engine is installed as any other package would be (entry point ``flatrender.engines``).
"""

import asyncio
import hashlib
import os
import select
import subprocess
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import msgspec
import numpy as np
import pytest

from flatrender.template.composition import AudioClip, Composition, SceneInstance
from flatrender.template.manifest import Transition
from flatrender.testing import packages as make
from flatrender.testing.media import decode_luma, sine, write_sound
from flatrender_render.engines import RenderSpec
from flatrender_render.engines.pool import (
    SPENT,
    PoolError,
    PoolLimits,
    RenderPool,
    WorkerCrashed,
    WorkerHung,
    WorkFailed,
)
from flatrender_render.engines.process import Watch
from flatrender_render.engines.work import Progress, RenderChunk
from flatrender_render.media.audio import AudioSource
from flatrender_render.media.errors import ProofFailed, Stopped
from flatrender_render.media.join import SegmentFile
from flatrender_render.media.pictures import frames_of
from flatrender_render.media.proof import Expectation

CLUMSY = """
import ctypes, numpy, os, signal, subprocess, sys, threading
from flatrender_render.engines import FrameSourceSession, TemplateBroken

class Source:
    width, height, fps, total_frames = 64, 48, 30, 600

    def __init__(self, deed):
        self.deed, _, argument = deed.partition(":")
        self.argument = argument

    def draw(self, pixels, frame):
        pixels[:] = (frame % 200, 80, 80, 255)
        if self.deed == "chatty":
            print("frame", frame, flush=True)
            os.write(1, b"\\x00\\x01 noise")
        if frame < 3:
            return
        match self.deed:
            case "killed":
                os.kill(os.getpid(), signal.SIGKILL)
            case "segfault":
                ctypes.string_at(0)
            case "exit":
                os._exit(3)
            case "hang":
                child = subprocess.Popen(["sleep", "1000"])
                with open(self.argument, "w") as file:
                    file.write(str(child.pid))
                threading.Event().wait()
            case "spin":
                # Holds the interpreter lock in C: not even the listener's thread can run.
                (10 ** 10_000_000) ** 40
            case "hungry":
                self.hoard = numpy.zeros(4 << 30, "u1")
            case "broken":
                raise TemplateBroken("layer 7 makes no sense", frame)
            case "odd":
                raise ZeroDivisionError("whatever")

    def close(self):
        pass

class DeafSession(FrameSourceSession):
    def render_range(self, first, last, sink, should_stop):
        sink.put(first)
        threading.Event().wait()

class Engine:
    name, version = "clumsy", "1"

    def inspect(self, package):
        return []

    def open(self, spec):
        if spec.package == "stuck":
            threading.Event().wait()
        kind = DeafSession if spec.package == "deaf" else FrameSourceSession
        return kind(Source(spec.package))
"""


@pytest.fixture(scope="module")
def env(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """Install the clumsy engine for render processes only."""
    folder = tmp_path_factory.mktemp("site")
    (folder / "clumsy.py").write_text(CLUMSY)
    info = folder / "clumsy-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: clumsy\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text("[flatrender.engines]\nclumsy = clumsy:Engine\n")
    return {"PYTHONPATH": str(folder)}


LIMITS = PoolLimits(grace=10.0, memory=3 << 30, nice=0)
# Here a hang is told after two seconds; every sign of life in these tests comes much faster.
HASTY = PoolLimits(between=2.0, open=3.0, patience=2.0, grace=0.5, memory=3 << 30, nice=0)


@pytest.fixture(scope="module")
async def pool(env: dict[str, str]) -> AsyncIterator[RenderPool]:
    async with RenderPool(1, LIMITS, env) as made:
        await made.warm_up()
        yield made


@pytest.fixture(scope="module")
async def hasty(env: dict[str, str]) -> AsyncIterator[RenderPool]:
    async with RenderPool(1, HASTY, env) as made:
        await made.warm_up()
        yield made


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
async def test_a_process_that_reads_strangers_files_holds_no_key_of_the_platform(
    env: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("FLATRENDER_STORAGE_SECRET_KEY", "FLATRENDER_NODE_SECRET", "PGPASSWORD"):
        monkeypatch.setenv(name, "told to nobody")
    monkeypatch.setenv("FLATRENDER_AERENDER_MFR", "50")
    async with RenderPool(
        1, LIMITS, {**env, "FLATRENDER_DATABASE_PASSWORD": "told to nobody"}
    ) as made:
        await made.warm_up()
        (worker,) = made._workers
        given = Path(f"/proc/{worker.process.pid}/environ").read_bytes()
    assert b"told to nobody" not in given
    assert b"FLATRENDER_AERENDER_MFR=50" in given  # an engine's own


COMPOSITION = Composition(
    width=320,
    height=180,
    fps=30,
    aspect="16:9",
    direction="rtl",
    scenes=[
        SceneInstance(id="1", scene_key="intro", animation="main", duration=2.0),
        SceneInstance(
            id="2",
            scene_key="intro",
            animation="main",
            duration=2.0,
            transition=Transition(kind="push", overlap=0.5),
        ),
    ],
)


@pytest.fixture(scope="module")
def spec(tmp_path_factory: pytest.TempPathFactory) -> RenderSpec:
    data = make.package()
    path = tmp_path_factory.mktemp("template") / "tiny.lottie"
    path.write_bytes(data)
    return RenderSpec(
        package=str(path),
        package_sha256=hashlib.sha256(data).hexdigest(),
        composition=COMPOSITION,
        width=320,
        height=180,
    )


def clumsy(deed: str, output: Path, last: int = 59) -> RenderChunk:
    spec = RenderSpec(package=deed, package_sha256="", composition=COMPOSITION, width=64, height=48)
    return RenderChunk(engine="clumsy", spec=spec, first=0, last=last, output=str(output))


def pid_of(pool: RenderPool) -> int:
    (worker,) = pool._workers  # a test looks inside
    return worker.process.pid


async def works(pool: RenderPool, folder: Path) -> None:
    """The pool still does ordinary work."""
    report = await pool.render_chunk(clumsy("good", folder / "after.mp4", 9))
    assert report.frames == 10


async def test_a_whole_video(pool: RenderPool, spec: RenderSpec, tmp_path: Path) -> None:
    """105 frames in two chunks, mixed, joined and proven against an independent reference."""
    segments, seen = [], []
    for first, last in ((0, 59), (60, 104)):
        path = tmp_path / f"{first}.mp4"
        work = RenderChunk(engine="lottie", spec=spec, first=first, last=last, output=str(path))
        report = await pool.render_chunk(work, seen.append)
        assert (report.first, report.last, report.frames) == (first, last, last - first + 1)
        assert report.packets == report.frames
        assert report.sha256 == hashlib.sha256(path.read_bytes()).hexdigest()
        assert min(report.render_seconds, report.convert_seconds, report.encode_seconds) > 0
        reference = (await pool.reference("lottie", spec, [first, first + 20, last])).thumbs
        expected = Expectation(
            width=320, height=180, fps=30, frames=report.frames, sha256=report.sha256,
            size=report.size, reference={n - first: cells for n, cells in reference.items()},
        )  # fmt: skip
        assert (await pool.prove(path, expected)).warnings == []
        wrong = msgspec.structs.replace(
            expected, reference={n - first + 1: c for n, c in reference.items() if n < last}
        )
        assert (await pool.prove(path, wrong)).frames  # one frame's motion is within tolerance
        segments.append(SegmentFile(path=str(path), frames=report.frames, sha256=report.sha256))
    tone = write_sound(tmp_path / "tone.wav", sine(1))
    clip = AudioClip(role="music", source="package:u/x.wav", loop=True)
    sources = [AudioSource(clip=clip, path=str(tone))]
    mixed = await pool.mix(sources, 105, 30, tmp_path / "mix.m4a")
    assert mixed.samples == 105 * 1600
    film = tmp_path / "film.mp4"
    joined = await pool.join(segments, film, 30, tmp_path / "mix.m4a")
    whole = Expectation(
        width=320, height=180, fps=30, frames=105, sha256=joined.sha256, size=joined.size,
        moves=True, visible=True, audio=True,
    )  # fmt: skip
    assert (await pool.prove(film, whole)).frames == 105
    spent: dict[str, float] = {}
    counting = SPENT.set(spent)
    info = await pool.probe(film)
    SPENT.reset(counting)
    assert list(spent) == ["ProbeFile"]
    assert spent["ProbeFile"] > 0.0
    assert (info.width, info.height, info.frames, info.audio_codec) == (320, 180, 105, "aac")
    await pool.sheet(film, tmp_path / "sheet.png")
    assert (tmp_path / "sheet.png").read_bytes().startswith(b"\x89PNG")
    assert (await pool.poster(film, 50, 160)).startswith(b"\xff\xd8")
    check_progress(seen)


async def test_a_chunk_is_proven_against_pictures_drawn_apart(
    pool: RenderPool, spec: RenderSpec, tmp_path: Path
) -> None:
    """A process that drew another customer's colours reports a perfect file, and is caught."""
    work = RenderChunk(
        engine="lottie", spec=spec, first=60, last=104, output=str(tmp_path / "x.mp4")
    )
    report = await pool.render_chunk(work)
    assert (await pool.prove_chunk(work, report)).frames == 45
    other = msgspec.structs.replace(COMPOSITION, colors={"primary": "#eeeeee"})
    wrong = msgspec.structs.replace(work, spec=msgspec.structs.replace(spec, composition=other))
    with pytest.raises(ProofFailed) as caught:
        await pool.prove_chunk(wrong, report)
    assert caught.value.kind == "wrong_picture"
    assert 0 in caught.value.frames


def check_progress(seen: list[Progress]) -> None:
    frames = [item.frame for item in seen]
    assert frames == sorted(frames)
    assert (frames[0], frames[-1]) == (0, 104)
    pictures = [item.preview for item in seen if item.preview]
    assert pictures
    for picture in pictures:
        assert picture.startswith("data:image/jpeg;base64,")
        assert len(picture) < 15 * 1024 * 4 / 3 + 30


async def test_frames_of_the_video_are_the_drawn_frames(
    pool: RenderPool, spec: RenderSpec, tmp_path: Path
) -> None:
    work = RenderChunk(
        engine="lottie", spec=spec, first=40, last=60, output=str(tmp_path / "x.mp4"), crf=1
    )
    await pool.render_chunk(work)
    from flatrender_render.engines import engine

    drawn = engine("lottie").open(spec).still(50)
    (decoded,) = frames_of(tmp_path / "x.mp4", [10])
    assert np.abs(decoded[..., :3].astype(int) - drawn[..., :3]).mean() < 2


async def test_every_process_makes_the_same_bytes(
    pool: RenderPool, spec: RenderSpec, env: dict[str, str], tmp_path: Path
) -> None:
    async with RenderPool(1, LIMITS, env) as other:
        reports = [
            await each.render_chunk(
                RenderChunk(engine="lottie", spec=spec, first=60, last=104, output=str(path))
            )
            for each, path in ((pool, tmp_path / "1.mp4"), (other, tmp_path / "2.mp4"))
        ]
        stills = [await each.snapshot("lottie", spec, 70) for each in (pool, other)]
    assert reports[0].sha256 == reports[1].sha256
    assert stills[0] == stills[1]


async def test_a_snapshot_is_a_picture(pool: RenderPool, spec: RenderSpec) -> None:
    assert (await pool.snapshot("lottie", spec, 10)).startswith(b"\x89PNG")
    assert (await pool.snapshot("lottie", spec, 10, width=100)).startswith(b"\xff\xd8")
    for frame in (-1, 105, 10**9):
        with pytest.raises(WorkFailed) as caught:
            await pool.snapshot("lottie", spec, frame)
        assert caught.value.code == "input_broken"


@pytest.mark.parametrize(("deed", "status"), [("killed", -9), ("segfault", -11), ("exit", 3)])
async def test_a_crash_costs_one_piece_of_work(
    pool: RenderPool, tmp_path: Path, deed: str, status: int
) -> None:
    with pytest.raises(WorkerCrashed) as caught:
        await pool.render_chunk(clumsy(deed, tmp_path / "x.mp4"))
    assert caught.value.status == status
    assert caught.value.code == "worker_crashed"
    if deed == "segfault":
        assert "Segmentation fault" in caught.value.log
    await works(pool, tmp_path)


async def test_a_process_that_dies_between_works_is_replaced(
    pool: RenderPool, tmp_path: Path
) -> None:
    await works(pool, tmp_path)
    before = pid_of(pool)
    (worker,) = pool._workers  # a test looks inside
    os.kill(before, 9)
    await worker.process.wait()
    await works(pool, tmp_path)
    assert pid_of(pool) != before


def ended(pid: int) -> bool:
    """Wait for a process that is not our child to end, at most ten seconds."""
    try:
        handle = os.pidfd_open(pid)
    except ProcessLookupError:
        return True
    try:
        return bool(select.select([handle], [], [], 10)[0])
    finally:
        os.close(handle)


async def test_a_hang_ends_the_whole_tree(hasty: RenderPool, tmp_path: Path) -> None:
    child = tmp_path / "child"
    with pytest.raises(WorkerHung) as caught:
        await hasty.render_chunk(clumsy(f"hang:{child}", tmp_path / "x.mp4"))
    assert (caught.value.phase, caught.value.code) == ("frames", "worker_hung")
    assert caught.value.seconds == HASTY.between
    assert ended(int(child.read_text()))
    await works(hasty, tmp_path)


def test_the_watchdog_adapts_to_the_frames_it_has_seen(monkeypatch: pytest.MonkeyPatch) -> None:
    now = 0.0

    class Loop:
        def time(self) -> float:
            return now

    monkeypatch.setattr(asyncio, "get_running_loop", Loop)
    limits = PoolLimits(open=100, between=10, patience=5, finish=50)
    watch = Watch(limits)
    assert (watch.phase, watch.seconds) == ("open", 100)
    watch.sign(Progress(id=1, frame=0, done=1, total=60))
    assert (watch.phase, watch.seconds) == ("frames", 10)
    now = 8.0  # four seconds a frame
    watch.sign(Progress(id=1, frame=2, done=3, total=60))
    assert (watch.phase, watch.seconds) == ("frames", 20)
    watch.sign(Progress(id=1, frame=59, done=60, total=60))
    assert (watch.phase, watch.seconds) == ("finish", 50)


async def test_a_hang_in_native_code_is_ended_too(hasty: RenderPool, tmp_path: Path) -> None:
    with pytest.raises(WorkerHung):
        await hasty.render_chunk(clumsy("spin", tmp_path / "x.mp4"))
    await works(hasty, tmp_path)


async def test_a_project_that_never_opens_is_ended(hasty: RenderPool, tmp_path: Path) -> None:
    with pytest.raises(WorkerHung) as caught:
        await hasty.render_chunk(clumsy("stuck", tmp_path / "x.mp4"))
    assert caught.value.phase == "open"


async def test_cancel_stops_between_frames_and_keeps_the_process(
    pool: RenderPool, tmp_path: Path
) -> None:
    await works(pool, tmp_path)
    before, cancel = pid_of(pool), asyncio.Event()
    seen: list[Progress] = []

    def on_progress(progress: Progress) -> None:
        seen.append(progress)
        cancel.set()

    with pytest.raises(Stopped):
        await pool.render_chunk(clumsy("good", tmp_path / "x.mp4", 599), on_progress, cancel)
    assert not (tmp_path / "x.mp4").exists()
    assert seen[-1].done < 600
    assert pid_of(pool) == before


async def test_cancel_ends_a_process_that_does_not_listen(
    hasty: RenderPool, tmp_path: Path
) -> None:
    await works(hasty, tmp_path)
    before, cancel = pid_of(hasty), asyncio.Event()
    with pytest.raises(Stopped):
        await hasty.render_chunk(
            clumsy("deaf", tmp_path / "x.mp4"), lambda _progress: cancel.set(), cancel
        )
    assert ended(before)
    await works(hasty, tmp_path)


async def test_work_cancelled_before_it_began_never_begins(
    pool: RenderPool, tmp_path: Path
) -> None:
    cancel = asyncio.Event()
    cancel.set()
    with pytest.raises(Stopped):
        await pool.render_chunk(clumsy("killed", tmp_path / "x.mp4"), cancel=cancel)


async def test_a_caller_that_leaves_takes_its_process_along(
    pool: RenderPool, tmp_path: Path
) -> None:
    await works(pool, tmp_path)
    started, before = asyncio.Event(), pid_of(pool)
    task = asyncio.create_task(
        pool.render_chunk(clumsy("good", tmp_path / "x.mp4", 599), lambda _p: started.set())
    )
    await started.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert ended(before)
    await works(pool, tmp_path)


async def test_what_an_engine_prints_does_no_harm(pool: RenderPool, tmp_path: Path) -> None:
    report = await pool.render_chunk(clumsy("chatty", tmp_path / "x.mp4", 29))
    assert report.frames == 30
    assert len(decode_luma(tmp_path / "x.mp4")) == 30


@pytest.mark.parametrize(
    ("deed", "code", "frame"),
    [
        ("broken", "template_broken", 3),
        ("odd", "internal_error", None),
        ("hungry", "out_of_memory", None),
    ],
)
async def test_a_failure_has_a_code_and_costs_no_process(
    pool: RenderPool, tmp_path: Path, deed: str, code: str, frame: int | None
) -> None:
    await works(pool, tmp_path)
    before = pid_of(pool)
    with pytest.raises(WorkFailed) as caught:
        await pool.render_chunk(clumsy(deed, tmp_path / "x.mp4"))
    assert (caught.value.code, caught.value.frame) == (code, frame)
    assert not (tmp_path / "x.mp4").exists()
    assert pid_of(pool) == before


async def test_other_failures_are_named(pool: RenderPool, spec: RenderSpec, tmp_path: Path) -> None:
    work = RenderChunk(engine="none", spec=spec, first=0, last=9, output=str(tmp_path / "x.mp4"))
    codes = []
    for item in (
        work,
        msgspec.structs.replace(work, engine="lottie", last=500),
        msgspec.structs.replace(work, engine="lottie", output="/nowhere/x.mp4"),
        msgspec.structs.replace(
            work,
            engine="lottie",
            spec=msgspec.structs.replace(spec, package="/nowhere", package_sha256="1"),
        ),
    ):
        with pytest.raises(WorkFailed) as caught:
            await pool.render_chunk(item)
        codes.append(caught.value.code)
    assert codes[:2] == ["engine_unknown", "input_broken"]
    assert codes[2] in {"disk_error", "encode_failed"}
    assert codes[3] == "template_broken"
    expected = Expectation(width=2, height=2, fps=1, frames=1)
    with pytest.raises(ProofFailed) as proof:
        await pool.prove(tmp_path / "gone.mp4", expected)
    assert proof.value.kind == "missing"


async def test_a_closed_pool_takes_no_work(env: dict[str, str], tmp_path: Path) -> None:
    pool = RenderPool(1, LIMITS, env)
    await works(pool, tmp_path)
    pid = pid_of(pool)
    await pool.close()
    assert ended(pid)
    with pytest.raises(PoolError):
        await works(pool, tmp_path)


def test_processes_die_with_their_parent() -> None:
    """The parent is killed without a word; its render process must not stay."""
    script = (
        "import asyncio, os\n"
        "from flatrender_render.engines.pool import RenderPool\n"
        "async def main():\n"
        "    pool = RenderPool(1)\n"
        "    await pool.warm_up()\n"
        "    print(*(w.process.pid for w in pool._workers), flush=True)\n"
        "    await asyncio.Event().wait()\n"
        "asyncio.run(main())\n"
    )
    parent = subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE, text=True)
    with parent:
        assert parent.stdout is not None
        pid = int(parent.stdout.readline())
        parent.kill()
    assert ended(pid)
