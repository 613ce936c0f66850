"""The engine that drives After Effects on Windows and macOS machines.

Owns one composition's way through it: unpack, look for what is missing, bind the customer's values
in After Effects itself, render ranges to pictures, take them in order. How a program is run, its
log read and its failures named lies beside it.
"""

import os
import shutil
import tempfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
from PIL import Image, ImageOps, UnidentifiedImageError

from flatrender.clock import random_token
from flatrender.contracts.render import InspectionNote
from flatrender.template.after_effects import AepSlot
from flatrender.template.composition import ImageRef
from flatrender.template.package import TemplatePackage
from flatrender.template.project_scan import ProjectScan
from flatrender.template.timing import total_frames
from flatrender_render.engines import FrameSink, InputBroken, Motion, Pixels, RenderSpec
from flatrender_render.engines.aerender import bundle as bundles
from flatrender_render.engines.aerender import fonts, scanning, sidecar
from flatrender_render.engines.aerender.command import RenderOrder, render_command
from flatrender_render.engines.aerender.driver import Signs, drive, judge
from flatrender_render.engines.aerender.failures import AerenderFailed
from flatrender_render.engines.aerender.frames import FrameTaker, Rendition, in_ranges
from flatrender_render.engines.aerender.installs import (
    Install,
    clean_environment,
    find_installs,
)
from flatrender_render.engines.aerender.scripts import Desk
from flatrender_render.engines.aerender.settings import AerenderSettings, from_environment
from flatrender_render.media.errors import ProofFailed

# Raised whenever the same input may give other pixels.
_REVISION = "1"


class AerenderEngine:
    """See ``RenderEngine``. ``settings`` come from the environment unless given."""

    name = "aerender"

    def __init__(self, settings: AerenderSettings | None = None) -> None:
        self.settings = settings or from_environment()

    @property
    def installs(self) -> list[Install]:
        """The After Effects of this machine, newest first."""
        return find_installs(self.settings)

    @property
    def available(self) -> bool:
        """Whether this machine has one: only then its work is claimed here."""
        return bool(self.installs)

    @property
    def version(self) -> str:
        """The After Effects that would draw here (24 is 2024, 0 is none), and our revision."""
        newest = self.installs[:1]
        return f"{newest[0].version if newest else 0}+{_REVISION}"

    def inspect(self, package: TemplatePackage) -> list[InspectionNote]:
        """Refuse: what opens as a package of Lottie scenes holds no project."""
        del package
        return [
            InspectionNote(
                level="error",
                code="engine_mismatch",
                place="flatrender.json#/engine",
                message_en="A package of Lottie scenes is not rendered by After Effects.",
                message_fa="بسته‌ی صحنه‌های لاتی با افترافکت رندر نمی‌شود.",
            )
        ]

    def open(self, spec: RenderSpec) -> "AerenderSession":
        """See ``RenderEngine``: unpack, and say what is missing before anything is started."""
        folder = self._folder()
        try:
            return AerenderSession(self, spec, folder)
        except BaseException:
            shutil.rmtree(folder, ignore_errors=True)
            raise

    def scan(
        self, package: Path, sha256: str, name: str, should_stop: Callable[[], bool]
    ) -> ProjectScan:
        """See ``ProjectScanner``: After Effects itself tells."""
        folder = self._folder()
        try:
            return scanning.scan(
                self.choose(0),
                package,
                sha256,
                folder,
                name=name,
                patience=self.settings.patience,
                should_stop=should_stop,
            )
        finally:
            shutil.rmtree(folder, ignore_errors=True)

    def motion(self, spec: RenderSpec, first: int, last: int) -> Motion:
        """See ``SelfJudging``: what the scan's own render showed in this range.

        Nothing is known where there was none, or where the customer chose other lengths.
        """
        reference = bundles.manifest_of(Path(spec.package)).reference
        if reference is None or reference.frames != total_frames(spec.composition):
            return Motion()
        frames = range(first, last + 1)
        return Motion(
            visible=bool(in_ranges(frames, reference.visible)),
            moves=len(in_ranges(frames, reference.moving)) > 1,
        )

    def _folder(self) -> Path:
        """Make a folder for one piece of work, and remove what dead processes left."""
        scratch = self.settings.scratch_folder
        sweep(scratch)
        scratch.mkdir(parents=True, exist_ok=True)
        return Path(tempfile.mkdtemp(prefix=f"{os.getpid()}-", dir=scratch)).resolve()

    def choose(self, oldest: int) -> Install:
        """Return the newest installation that opens the project. Raises ``AerenderFailed``."""
        found = self.installs
        if not found:
            raise AerenderFailed("node_ae_missing", "no After Effects on this machine")
        if found[0].version < oldest:
            raise AerenderFailed(
                "node_ae_missing", f"After Effects {oldest} is needed, {found[0].version} is here"
            )
        return found[0]


class AerenderSession:
    """See ``RenderSession``. Values are bound when the first frame is wanted, once.

    ``patience`` may be changed between ranges.
    """

    def __init__(self, engine: AerenderEngine, spec: RenderSpec, folder: Path) -> None:
        self._settings = engine.settings
        self.patience = engine.settings.patience
        self._spec = spec
        self._folder = folder
        self.width, self.height = spec.width, spec.height
        self.fps = spec.composition.fps
        self.total_frames = total_frames(spec.composition)
        project = folder / "project"
        project.mkdir()
        self._bundle = bundles.unpack(Path(spec.package), spec.package_sha256, project)
        manifest = self._bundle.manifest
        if missing := self._bundle.missing_footage():
            raise AerenderFailed("footage_missing", f"missing footage: {', '.join(missing)}")
        folders = fonts.all_folders(self._settings)
        if missing := fonts.missing_fonts(manifest.fonts, folders):
            raise AerenderFailed("fonts_missing", f"missing fonts: {', '.join(missing)}")
        self._install = engine.choose(manifest.after_effects)
        self._environment = clean_environment()
        self._bound: Path | None = None
        self._comp = ""
        self._order = sidecar.make_order(
            spec.composition,
            manifest,
            project=self._bundle.project,
            # Beside the original: footage is found by paths relative to the project.
            bound=self._bundle.project.with_name("flatrender-bound.aep"),
            nonce=random_token(16),
            picture=self._picture,
        )

    def render_range(
        self, first: int, last: int, sink: FrameSink, should_stop: Callable[[], bool]
    ) -> None:
        """See ``RenderSession``.

        Raises ``AerenderFailed``, or ``ProofFailed`` that names the frames which are not right.
        """
        project = self._bind(should_stop)
        composition = self._spec.composition
        pictures = self._folder / f"frames-{random_token(4)}"
        pictures.mkdir()
        rendition = Rendition(
            folder=pictures,
            suffix=self._settings.output_suffix,
            first=first,
            last=last,
            size=(composition.width, composition.height),
        )
        taker = FrameTaker(rendition, sink, self._mark())

        def look() -> Signs:
            taker.take()
            return Signs(frames=taker.taken, done=taker.complete)

        order = RenderOrder(
            project=project,
            comp=self._comp,
            output=rendition.pattern,
            template=self._settings.output_template,
            first=first,
            last=last,
            mfr=self._settings.mfr,
        )
        try:
            ended = drive(
                render_command(self._install, order),
                environment=self._environment,
                folder=self._folder,
                patience=self.patience,
                look=look,
                should_stop=should_stop,
            )
            judge(ended)
            taker.take_rest()
        finally:
            shutil.rmtree(pictures, ignore_errors=True)
        self._refuse_black(taker.black, first)

    def still(self, frame: int) -> Pixels:
        """See ``RenderSession``: a range of one frame."""
        one = _OneFrame(self.width, self.height)
        self.render_range(frame, frame, one, lambda: False)
        return one.buffer

    def close(self) -> None:
        """Remove everything that was laid out."""
        shutil.rmtree(self._folder, ignore_errors=True)

    def _bind(self, should_stop: Callable[[], bool]) -> Path:
        """Return the project with the customer's values in it, made once and proven.

        Raises ``AerenderFailed``. An After Effects that did its work and only does not leave is
        ended, and its work taken.
        """
        if self._bound is not None:
            return self._bound
        desk = Desk(self._folder, "bind", self._order)
        ended = desk.run(
            self._install,
            environment=self._environment,
            patience=self.patience,
            should_stop=should_stop,
        )
        desk.require(ended)
        found = desk.read(sidecar.Result, self._order.nonce, "binding_failed")
        composition = self._spec.composition
        size = (composition.width, composition.height)
        sidecar.check_result(self._order, found, size, root=self._folder / "project")
        judge(ended)
        bound = Path(self._order.bound)
        if not bundles.is_project(bound):
            raise AerenderFailed("binding_failed", "the bound project was not saved")
        self._comp = found.comp
        self._bound = bound
        return bound

    def _refuse_black(self, black: list[int], first: int) -> None:
        reference = self._bundle.manifest.reference
        if reference is None or reference.frames != self.total_frames:
            return  # nobody knows: the proof of the segment warns
        if wrong := in_ranges(black, reference.visible):
            raise ProofFailed(
                "black",
                f"{len(wrong)} frames are black, from {wrong[0]}",
                tuple(frame - first for frame in wrong),
            )

    def _mark(self) -> Pixels | None:
        if not self._spec.watermark:
            return None
        from flatrender_render.engines.lottie.watermark import watermark

        return np.array(watermark(self.width, self.height).toarray())

    def _picture(self, ref: ImageRef, slot: AepSlot) -> Path:
        """Lay out a customer's picture, cut to the placeholder's box where that is known."""
        source = self._spec.assets.get(ref.sha256)
        if source is None:
            raise InputBroken(f"slot {slot.id}: the picture is missing")
        folder = self._folder / "media"
        folder.mkdir(exist_ok=True)
        try:
            with Image.open(source) as opened:
                upright = ImageOps.exif_transpose(opened).convert("RGBA")
        except (UnidentifiedImageError, OSError, SyntaxError, ValueError) as error:
            raise InputBroken(f"slot {slot.id}: {error}") from error
        if slot.width and slot.height:
            upright = cut(upright, ref, slot.width, slot.height)
        target = folder / f"{ref.sha256[:32]}-{random_token(4)}.png"
        upright.save(target)
        return target


class _OneFrame:
    def __init__(self, width: int, height: int) -> None:
        self.buffer: Pixels = np.zeros((height, width, 4), np.uint8)

    def put(self, frame: int, changed: object = None) -> None:
        """See ``FrameSink``: it stays in the buffer."""


def cut(picture: Image.Image, ref: ImageRef, width: int, height: int) -> Image.Image:
    """Return the part of a picture that fills a box: around its focus, enlarged by its zoom."""
    share = max(width / picture.width, height / picture.height) * ref.zoom
    across, down = width / share, height / share
    left = min(max(ref.focus_x * picture.width - across / 2, 0.0), picture.width - across)
    top = min(max(ref.focus_y * picture.height - down / 2, 0.0), picture.height - down)
    return picture.resize(
        (width, height), Image.Resampling.LANCZOS, (left, top, left + across, top + down)
    )


def sweep(scratch: Path) -> None:
    """Remove what processes left that are gone: a folder begins with its process's id."""
    if not scratch.is_dir():
        return
    for folder in scratch.iterdir():
        owner = folder.name.partition("-")[0]
        if owner.isdigit() and int(owner) != os.getpid() and not _alive(int(owner)):
            shutil.rmtree(folder, ignore_errors=True)


def _alive(pid: int) -> bool:
    if os.name == "nt":
        return True  # asking would end it; Windows empties its own temporary folder
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True
