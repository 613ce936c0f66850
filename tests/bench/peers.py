"""Ours against how others make videos from the same Lottie file, 1080p, drawing and encoding.

- **ours**: ``RenderPool`` with one process, as in ``tests.bench.render``.
- **Chromium screenshots**: lottie-web in one page, a JPEG of each frame, decoded and fed to the
  very encoder that ours uses (in this process, while Chromium draws the next frame).
- **Remotion**: ``@remotion/lottie`` with one page (concurrency 1), and its own FFmpeg.

All get the same range of one scene of a template (less one layer, see ``_NEVER_DRAWN``), with the
same fonts, pictures and encoder settings (libx264, veryfast, crf 20). Starting, bundling, opening
and a warm-up turn are not counted, for nobody. Processor time is that of all processes that a
contestant started. The last column compares the last frame of each file with ours (SSIM), so that
one sees that all draw the same picture.

Peers are looked for, never installed: ``docs/performance.md`` says how. What is absent is skipped.
"""

import asyncio
import base64
import contextlib
import io
import os
import shutil
import struct
import subprocess
import threading
import time
from collections import deque
from collections.abc import Awaitable, Callable
from functools import partial
from pathlib import Path
from typing import Any, BinaryIO, Self, cast

import av
import msgspec
import numpy as np
from numpy.typing import NDArray
from PIL import Image
from tests.bench.render import Subject, demo_packages, plain, render, subject_of
from tests.bench.stack import (
    end_processes,
    heading,
    processes_below,
    processor_seconds,
    table,
    temporary_folder,
)

from flatrender.template.package import TemplatePackage, write_package
from flatrender.testing.rounds import medians, ratio, turns
from flatrender.testing.ssim import ssim
from flatrender_render.engines.pool import PoolLimits, RenderPool
from flatrender_render.media.encode import SegmentEncoder, VideoFormat

_TEMPLATE, _SCENE = "explainer-charts", "bars"
_NEVER_DRAWN = "dots"  # a repeater of a repeater: lottie-web 5.13 loads it without end
_WRITTEN = ("manifest.json", "flatrender.json")  # what ``write_package`` writes itself
_BROWSERS = ("chromium", "chromium-browser", "google-chrome-stable", "google-chrome")
_DRIVERS = Path(__file__).parent / "drivers"
_OPENING, _PATIENCE = 120.0, 120.0  # seconds until a peer is ready, and for one sample
_BUDGET = 240.0  # seconds per subject after which no further round begins
_OURS = "ours"

Sample = Callable[[], Awaitable[tuple[float, float]]]  # seconds, processor seconds


class Absent(Exception):
    """A peer cannot be measured here; the text says why."""


def run(*, quick: bool) -> None:
    """Measure and print."""
    frames, rounds = (15, 2) if quick else (30, 5)
    heading(f"Peers, 1080p (at most {rounds} rounds of {frames} frames, medians)")
    with temporary_folder() as folder:
        rich = _without(_NEVER_DRAWN, demo_packages({_TEMPLATE})[_TEMPLATE])
        subjects = (
            subject_of(folder, f"{_TEMPLATE}, {_SCENE}", 0.0, rich, frames, only=_SCENE),
            subject_of(folder, "plain (a square travels)", 0.0, plain(), frames),
        )
        for number, subject in enumerate(subjects):
            asyncio.run(_measure(subject, rounds, folder, number))


async def _measure(subject: Subject, rounds: int, folder: Path, number: int) -> None:
    frames = subject.last - subject.first + 1
    begun = os.getloadavg()[0]
    async with contextlib.AsyncExitStack() as running:
        pool = await running.enter_async_context(RenderPool(1, PoolLimits(nice=0)))
        await pool.warm_up()

        async def ours() -> tuple[float, float]:
            seconds, used, _ = await render(subject, pool, 1, folder)
            return seconds, used

        contestants: dict[str, Sample] = {_OURS: ours}
        files = {_OURS: folder / "ours-0.mp4"}
        await ours()
        for kind in (Screenshots, Remotion):
            try:
                peer = running.enter_context(kind(subject, folder / f"{kind.__name__}-{number}"))
                await asyncio.to_thread(peer.sample)
            except Absent as why:
                print(f"{kind.label}: skipped: {why}", flush=True)
                continue
            contestants[kind.label] = partial(asyncio.to_thread, peer.sample)
            files[kind.label] = peer.output
        walls, costs = await _rounds(contestants, frames, rounds)
    _report(subject, walls, costs, files)
    print(f"load {begun:.1f} before, {os.getloadavg()[0]:.1f} after; {len(walls)} rounds")


async def _rounds(
    contestants: dict[str, Sample], frames: int, rounds: int
) -> tuple[list[dict[str, float]], list[dict[str, float]]]:
    """Return, by contestant and round, frames per second and frames per processor second."""
    walls: list[dict[str, float]] = []
    costs: list[dict[str, float]] = []
    deadline = time.monotonic() + _BUDGET
    for order in turns(list(contestants), rounds):
        wall: dict[str, float] = {}
        cost: dict[str, float] = {}
        for name in order:
            seconds, used = await contestants[name]()
            wall[name], cost[name] = frames / seconds, frames / used
        walls.append(wall)
        costs.append(cost)
        if time.monotonic() > deadline:
            break
    return walls, costs


def _report(
    subject: Subject,
    walls: list[dict[str, float]],
    costs: list[dict[str, float]],
    files: dict[str, Path],
) -> None:
    rate, cost = medians(walls), medians(costs)
    pictures = {name: _last_frame(path) for name, path in files.items()}
    rows = [
        [
            name,
            f"{rate[name]:.1f}",
            f"{ratio(walls, _OURS, name):.1f}",
            f"{1e3 / cost[name]:.0f}",
            f"{ratio(costs, _OURS, name):.1f}",
            f"{ssim(pictures[name], pictures[_OURS]):.3f}",
        ]
        for name in files
    ]
    table(
        [subject.name, "frames/s", "ours is N times", "processor ms a frame",
         "ours is N times", "alike (SSIM)"], rows,
    )  # fmt: skip


def _last_frame(path: Path) -> NDArray[np.uint8]:
    """Return the last frame of a video, every second pixel each way."""
    with av.open(str(path)) as container:
        frame = deque(container.decode(video=0), maxlen=1).pop()
    return cast("NDArray[np.uint8]", frame.to_ndarray(format="rgb24")[::2, ::2])


def _without(layer: str, data: bytes) -> bytes:
    """Return a package without the layers of that name, for all contestants alike."""
    with TemplatePackage.open(data) as package:
        files = {name: package.read(name) for name in package.names if name not in _WRITTEN}
        manifest = package.manifest
    for name, content in files.items():
        if name.startswith("a/"):
            animation = msgspec.json.decode(content)
            animation["layers"] = [each for each in animation["layers"] if each["nm"] != layer]
            files[name] = msgspec.json.encode(animation)
    return write_package(manifest, files)


class _Peer:
    """A Node process that draws a subject when told. A context manager: nothing of it stays."""

    label = ""
    driver = ""
    packages: tuple[str, ...] = ()

    def __init__(self, subject: Subject, room: Path) -> None:
        self._subject = subject
        self._room = room
        self.output = room / "video.mp4"
        self._process: subprocess.Popen[bytes] | None = None
        self._late = ""

    def __enter__(self) -> Self:
        """Start it and wait until it is ready. Raises ``Absent``."""
        try:
            self._start()
            with self._patience(_OPENING):
                self._expect(b"ready")
        except BaseException:
            self._end()
            raise
        return self

    def __exit__(self, *_exc: object) -> None:
        """End it and all that it started."""
        self._end()

    def sample(self) -> tuple[float, float]:
        """Draw and encode the range; return seconds and processor seconds. Raises ``Absent``."""
        with self._patience(_PATIENCE):
            return self._sample()

    def _sample(self) -> tuple[float, float]:
        raise NotImplementedError

    def _start(self) -> None:
        node, chromium, modules = shutil.which("node"), _browser(), _modules()
        if node is None:
            raise Absent("no node on PATH")
        for name in self.packages:
            if not (modules / name / "package.json").is_file():
                raise Absent(f"no {name} in FLATRENDER_BENCH_PEERS")
        self._room.mkdir()
        # Node looks for packages beside the file that asks for them.
        (self._room / "node_modules").symlink_to(modules, target_is_directory=True)
        for path in _DRIVERS.iterdir():
            shutil.copy(path, self._room)
        order = self._room / "order.json"
        order.write_bytes(msgspec.json.encode({"chromium": chromium, **_material(self._subject)}))
        with (self._room / "errors.txt").open("wb") as errors:
            self._process = subprocess.Popen(
                [node, str(self._room / self.driver), str(order)],
                cwd=self._room,
                env={**os.environ, "TMPDIR": str(self._room)},  # so that nothing stays there either
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=errors,
            )

    def _end(self) -> None:
        process = self._process
        if process is None:
            return
        below = processes_below(process.pid)
        for pipe in self._pipes:
            with contextlib.suppress(OSError):
                pipe.close()
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(5.0)  # its input has ended: it closes its browser
        end_processes([*below, *processes_below(process.pid), process.pid])
        process.wait()

    @contextlib.contextmanager
    def _patience(self, seconds: float) -> Any:
        """End a peer that hangs: whoever reads from it then finds its end."""
        assert self._process is not None
        pid = self._process.pid

        def end() -> None:
            self._late = f"no answer within {seconds:.0f} s"
            end_processes([*processes_below(pid), pid])

        timer = threading.Timer(seconds, end)
        timer.daemon = True
        timer.start()
        try:
            yield
        finally:
            timer.cancel()

    @property
    def _pipes(self) -> tuple[BinaryIO, BinaryIO]:
        assert self._process is not None
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        return cast("BinaryIO", self._process.stdin), cast("BinaryIO", self._process.stdout)

    def _tell(self, *words: object) -> None:
        stdin, _ = self._pipes
        try:
            stdin.write(" ".join(str(word) for word in words).encode() + b"\n")
            stdin.flush()
        except BrokenPipeError as error:
            raise self._failed() from error

    def _expect(self, word: bytes) -> None:
        """Wait for a line; others say what Remotion finds worth saying."""
        for line in self._pipes[1]:
            if line.strip() == b"bench: " + word:
                return
        raise self._failed()

    def _failed(self) -> Absent:
        words = (self._room / "errors.txt").read_text("utf-8", "replace").strip()
        return Absent(f"{self.driver} ended: {self._late or words[-500:] or 'without a word'}")

    def _spent(self) -> float:
        assert self._process is not None
        pids = [self._process.pid, *processes_below(self._process.pid)]
        times = [processor_seconds(pid, ended=True) for pid in pids]
        return float(np.nansum(times))  # one that ended meanwhile is NaN; its parent has its time


class Screenshots(_Peer):
    """lottie-web in Chromium; its screenshots into our encoder."""

    label = "Chromium screenshots of lottie-web"
    driver = "lottie_web.mjs"
    packages = ("puppeteer-core", "lottie-web")

    def _sample(self) -> tuple[float, float]:
        subject = self._subject
        spec = subject.spec
        self._tell(subject.first - 1, subject.first - 1)
        self._picture()
        form = VideoFormat(width=spec.width, height=spec.height, fps=spec.composition.fps)
        used = -self._spent() - time.process_time()
        begun = time.perf_counter()
        self._tell(subject.first, subject.last)
        with SegmentEncoder(self.output, form) as encoder:
            for _ in range(subject.first, subject.last + 1):
                picture = self._picture().convert("RGBA").tobytes("raw", "BGRA")
                encoder.buffer[:] = np.frombuffer(picture, np.uint8).reshape(encoder.buffer.shape)
                encoder.write()
            encoder.finish()
        seconds = time.perf_counter() - begun
        return seconds, used + self._spent() + time.process_time()

    def _picture(self) -> Image.Image:
        stdout = self._pipes[1]
        head = stdout.read(4)
        if len(head) < 4:
            raise self._failed()
        return Image.open(io.BytesIO(stdout.read(struct.unpack(">I", head)[0])))


class Remotion(_Peer):
    """Remotion's renderer, from its first drawn frame to the finished file."""

    label = "Remotion"
    driver = "remotion.mjs"
    packages = ("@remotion/bundler", "@remotion/lottie", "@remotion/renderer", "lottie-web",
                "react", "react-dom", "remotion")  # fmt: skip

    def _sample(self) -> tuple[float, float]:
        subject = self._subject
        # One frame more goes before: by then its page is open and its animation loaded.
        self._tell(subject.first - 1, subject.last, self.output)
        self._expect(b"first")
        used = -self._spent()
        begun = time.perf_counter()
        self._expect(b"end")
        return time.perf_counter() - begun, used + self._spent()


def _browser() -> str:
    named = os.environ.get("FLATRENDER_BENCH_CHROMIUM")
    for name in (named,) if named else _BROWSERS:
        if found := shutil.which(name):
            return found
    raise Absent("no chromium on PATH, and FLATRENDER_BENCH_CHROMIUM names none")


def _modules() -> Path:
    folder = os.environ.get("FLATRENDER_BENCH_PEERS")
    if not folder:
        raise Absent("FLATRENDER_BENCH_PEERS names no folder with node_modules")
    return Path(folder).resolve() / "node_modules"


def _material(subject: Subject) -> dict[str, Any]:
    """Return the subject's animation, pictures inside, and its fonts, for a browser."""
    composition = subject.spec.composition
    with TemplatePackage.open(Path(subject.spec.package)) as package:
        animation = msgspec.json.decode(package.animation(composition.scenes[0].animation))
        pictures = package.images()
        fonts = package.fonts()
    for asset in animation["assets"]:
        if "p" in asset:
            kind = "png" if asset["p"].endswith(".png") else "jpeg"
            asset |= {"u": "", "p": _data_url(f"image/{kind}", pictures[asset["p"]]), "e": 1}
    return {
        "width": subject.spec.width,
        "height": subject.spec.height,
        "fps": composition.fps,
        "frames": int(animation["op"]),
        "animation": animation,
        "fonts": [
            {"family": font.family, "weight": str(font.weight), "data": _data_url("font/ttf", data)}
            for font, data in fonts
        ],
    }


def _data_url(kind: str, data: bytes) -> str:
    return f"data:{kind};base64,{base64.b64encode(data).decode()}"
