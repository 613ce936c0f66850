"""Engines: what turns a composition into frames, behind one protocol.

Owns the protocol, the errors an engine may raise and discovery by the entry point
``flatrender.engines``. An engine that draws frame by frame (``lottie``) gives a ``FrameSource``
and gets its ranges from ``FrameSourceSession``; one that drives an outside program over a range
(``aerender``) implements ``render_range`` itself. Engines run in worker processes and may block;
they never talk to a database, a queue or a store.
"""

import hashlib
from collections.abc import Callable, Sequence
from functools import cache
from importlib.metadata import entry_points
from pathlib import Path
from typing import Protocol, runtime_checkable

import msgspec
import numpy as np
from msgspec import Struct
from msgspec.structs import replace
from numpy.typing import NDArray

from flatrender.contracts.render import InspectionNote
from flatrender.template.composition import Composition, ImageRef
from flatrender.template.package import TemplatePackage
from flatrender.template.project_scan import ProjectScan

ENTRY_POINT = "flatrender.engines"

Pixels = NDArray[np.uint8]  # height x width x 4: BGRA, premultiplied
Box = tuple[int, int, int, int]  # left, top, right, bottom; pixels


class EngineError(Exception):
    """An engine could not draw. ``code`` is stable and feeds the farm's failure rules.

    ``frame`` is the frame of the video where it happened, when that is known; ``exit_code`` the
    status of the program that an engine drives.
    """

    code: str = "engine_error"
    exit_code: int | None = None

    def __init__(self, message: str, frame: int | None = None) -> None:
        super().__init__(message if frame is None else f"{message} (frame {frame})")
        self.frame = frame


class EngineUnknown(EngineError):
    """No installed engine has this name."""

    code = "engine_unknown"


class TemplateBroken(EngineError):
    """The template itself cannot be drawn; no other machine will do better."""

    code = "template_broken"


class InputBroken(EngineError):
    """A value or file of the customer cannot be used; the template is fine."""

    code = "input_broken"


class FontFile(Struct, frozen=True, kw_only=True):
    """A font on this machine, by the names that templates use for it."""

    path: str
    family: str
    style: str = "Regular"
    weight: int = 400


class RenderSpec(Struct, frozen=True, kw_only=True):
    """Everything that decides the pixels of a render, with local paths.

    ``assets`` maps the SHA-256 of each customer's picture to a file on this machine; ``fonts``
    are extra font files (the bundled ones and the package's are always there). ``width`` and
    ``height`` are the output's, even.
    """

    package: str
    package_sha256: str
    composition: Composition
    width: int
    height: int
    watermark: bool = False
    assets: dict[str, str] = {}
    fonts: list[FontFile] = []


class FrameSink(Protocol):
    """Where frames go: draw into ``buffer``, then say which frame it is."""

    @property
    def buffer(self) -> Pixels:
        """The pixels of the next frame, at the output's size; keeps its place in memory."""
        ...

    def put(self, frame: int, changed: Sequence[Box] | None = None) -> None:
        """Take ``buffer`` as ``frame`` of the video. Frames come in ascending order.

        ``changed`` are boxes outside of which it equals the frame put before; ``None`` tells
        nothing.
        """
        ...


class RenderSession(Protocol):
    """One composition, opened by an engine for one output size."""

    width: int
    height: int
    fps: int
    total_frames: int

    def render_range(
        self, first: int, last: int, sink: FrameSink, should_stop: Callable[[], bool]
    ) -> None:
        """Give frames ``first`` to ``last`` (inclusive) to ``sink``, in order.

        Asks ``should_stop`` at least before every frame and raises ``Stopped``. Raises
        ``EngineError``.
        """
        ...

    def still(self, frame: int) -> Pixels:
        """Return one frame. Raises ``EngineError``."""
        ...

    def close(self) -> None:
        """Release what the session holds."""
        ...


@runtime_checkable
class RenderEngine(Protocol):
    """An engine. ``version`` changes whenever the same input may give other pixels."""

    name: str
    version: str

    def inspect(self, package: TemplatePackage) -> list[InspectionNote]:
        """Return what it cannot draw (``error``) or draws without (``warning``), by place."""
        ...

    def open(self, spec: RenderSpec) -> RenderSession:
        """Open a composition. Raises ``EngineError``."""
        ...


class Motion(Struct, frozen=True, kw_only=True):
    """What the pictures of a range must show: something (``visible``), and not all the same
    (``moves``). Both False where nobody knows."""

    visible: bool = False
    moves: bool = False


@runtime_checkable
class SelfJudging(Protocol):
    """An engine whose frames cost too much to draw twice: instead of a few frames drawn again,
    a range is proven by what is known of the template."""

    def motion(self, spec: RenderSpec, first: int, last: int) -> Motion:
        """Return what frames ``first`` to ``last`` (inclusive) must show. Raises
        ``EngineError``."""
        ...


@runtime_checkable
class ProjectScanner(Protocol):
    """An engine that can tell what a designer's project holds, beside drawing it."""

    def scan(
        self, package: Path, sha256: str, name: str, should_stop: Callable[[], bool]
    ) -> ProjectScan:
        """Return what a project or bundle holds; ``name`` is what a bare project is called.

        Raises ``PackageRefused``, ``EngineError``, or ``Stopped`` once ``should_stop`` says so.
        """
        ...


class FrameSource(Protocol):
    """A composition that can draw any single frame into pixels of its own size."""

    width: int
    height: int
    fps: int
    total_frames: int

    def draw(self, pixels: Pixels, frame: int) -> None:
        """Draw ``frame`` over all of ``pixels``. Raises ``EngineError``."""
        ...

    def close(self) -> None:
        """Release what the source holds."""
        ...


@runtime_checkable
class ChangingSource(Protocol):
    """A ``FrameSource`` that can make one frame of another by drawing what differs."""

    def redraw(self, pixels: Pixels, frame: int, held: int) -> Sequence[Box] | None:
        """Make ``pixels``, which hold frame ``held`` as drawn by this source, hold ``frame``.

        The bytes are those of ``draw``. Returns boxes outside of which nothing differs, or
        ``None`` if it was drawn wholly. Raises ``EngineError``.
        """
        ...


class FrameSourceSession:
    """A session over a ``FrameSource``: ranges are drawn frame by frame."""

    def __init__(self, source: FrameSource) -> None:
        self.source = source
        self.width = source.width
        self.height = source.height
        self.fps = source.fps
        self.total_frames = source.total_frames

    def render_range(
        self, first: int, last: int, sink: FrameSink, should_stop: Callable[[], bool]
    ) -> None:
        """See ``RenderSession``."""
        from flatrender_render.media.errors import Stopped

        source = self.source
        for frame in range(first, last + 1):
            if should_stop():
                raise Stopped
            changed = None
            if frame > first and isinstance(source, ChangingSource):
                changed = source.redraw(sink.buffer, frame, frame - 1)
            else:
                source.draw(sink.buffer, frame)
            sink.put(frame, changed)

    def still(self, frame: int) -> Pixels:
        """See ``RenderSession``."""
        pixels: Pixels = np.zeros((self.height, self.width, 4), np.uint8)
        self.source.draw(pixels, frame)
        return pixels

    def close(self) -> None:
        """See ``RenderSession``."""
        self.source.close()


@cache
def engines() -> dict[str, RenderEngine]:
    """Return the installed engines by name, made once.

    Raises ``EngineError`` when an installed engine does not keep the protocol or two share a name.
    """
    found: dict[str, RenderEngine] = {}
    for point in entry_points(group=ENTRY_POINT):
        made = point.load()()
        if not isinstance(made, RenderEngine) or made.name != point.name:
            raise EngineError(f"{point.value} is no engine named {point.name!r}")
        if made.name in found:
            raise EngineError(f"two engines are named {made.name!r}")
        found[made.name] = made
    return found


def available_engines() -> dict[str, RenderEngine]:
    """Return the engines that can draw on this machine.

    An engine that needs more than its own code (a program, a licence) says so by an attribute
    ``available``; a node claims work only for these.
    """
    return {name: one for name, one in engines().items() if getattr(one, "available", True)}


def available_scanners() -> list[str]:
    """Return the engines of this machine that can read a designer's project."""
    return [name for name, one in available_engines().items() if isinstance(one, ProjectScanner)]


def engine(name: str) -> RenderEngine:
    """Return an engine by name. Raises ``EngineUnknown``."""
    try:
        return engines()[name]
    except KeyError:
        raise EngineUnknown(f"no engine {name!r} is installed") from None


def still_key(name: str, version: str, spec: RenderSpec, frame: int) -> str:
    """Return the content address of one frame: equal keys mean equal pixels.

    Covers engine and version, package, composition (values, colours, picture hashes), extra
    fonts by content, frame, size and watermark; not the sound, not where things happen to lie.
    """
    fonts = []
    for font in spec.fonts:
        with Path(font.path).open("rb") as stream:
            content = hashlib.file_digest(stream, "sha256").hexdigest()
        fonts.append((font.family, font.style, font.weight, content))
    scenes = [
        replace(
            scene,
            id="",
            values={
                key: replace(value, object_key="") if isinstance(value, ImageRef) else value
                for key, value in scene.values.items()
            },
        )
        for scene in spec.composition.scenes
    ]
    what = {
        "engine": [name, version],
        "package": spec.package_sha256,
        "composition": replace(spec.composition, audio=[], scenes=scenes),
        "fonts": sorted(fonts),
        "frame": frame,
        "size": [spec.width, spec.height],
        "watermark": spec.watermark,
    }
    return hashlib.sha256(msgspec.json.encode(what, order="deterministic")).hexdigest()
