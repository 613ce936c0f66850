"""The embedded engine: template packages of Lottie scenes, drawn on any machine.

Owns the use of a package by the evaluator: fonts, pictures, slot values, shared colours, and what
is told of a package at import. The evaluator lies beside it, time in ``timeline``.
"""

import hashlib
import threading
import zlib
from collections import OrderedDict
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import skia

from flatrender.contracts.render import InspectionNote
from flatrender.fonts import catalogue
from flatrender.template.composition import ImageRef, SceneInstance
from flatrender.template.manifest import ImageSlot, Scene, TextSlot
from flatrender.template.package import PackageRefused, TemplatePackage
from flatrender_render.engines import (
    Box,
    EngineError,
    FontFile,
    FrameSourceSession,
    InputBroken,
    Pixels,
    RenderSession,
    RenderSpec,
    TemplateBroken,
)
from flatrender_render.engines.lottie.animation import Animation
from flatrender_render.engines.lottie.assets import ImageValue, MappingAssets
from flatrender_render.engines.lottie.errors import (
    LottieAssetError,
    LottieError,
    LottieLimitError,
    LottieSlotError,
)
from flatrender_render.engines.lottie.slots import TextValue, Value
from flatrender_render.engines.lottie.text.book import FontBook
from flatrender_render.engines.lottie.text.errors import BadFontError
from flatrender_render.engines.lottie.timeline import Timeline

# Raised whenever the same input may give other pixels.
_REVISION = "4"
_PACKAGES_KEPT = 3


def _version() -> str:
    """Name all that decides pixels beside the inputs: our code, Skia, the bundled fonts."""
    fonts = [f"{f.family}/{f.style}/{f.path.stat().st_size}" for f in catalogue()]
    return f"{_REVISION}+skia{skia.__version__}.fonts{zlib.crc32(' '.join(fonts).encode()):08x}"


class PackageUse:
    """An open package with its fonts, pictures and parsed animations, shared by its renders."""

    def __init__(self, package: TemplatePackage) -> None:
        self.package = package
        self.assets = MappingAssets(package.images())
        self.fonts = FontBook()
        for font, data in package.fonts():
            try:
                self.fonts.register(data, font.family, font.style, font.weight)
            except BadFontError as error:
                raise TemplateBroken(f"{font.path}: {error}") from error
        self._parsed: dict[tuple[str, int], Animation] = {}

    def animation(self, name: str, fonts: FontBook | None = None) -> Animation:
        """Return the parsed animation. Raises ``LottieError`` or ``TemplateBroken``."""
        book = fonts or self.fonts
        key = (name, id(book) if fonts else 0)
        if key not in self._parsed:
            try:
                data = self.package.animation(name)
            except PackageRefused as error:
                raise TemplateBroken(str(error)) from error
            parsed = Animation.parse(data, assets=self.assets, fonts=book)
            if fonts:
                return parsed  # a render's own fonts: not kept beyond it
            self._parsed[key] = parsed
        return self._parsed[key]


class LottieEngine:
    """See ``RenderEngine``."""

    name = "lottie"
    version = _version()

    def __init__(self) -> None:
        self._packages: OrderedDict[str, PackageUse] = OrderedDict()
        self._lock = threading.Lock()

    def inspect(self, package: TemplatePackage) -> list[InspectionNote]:
        """Parse every animation, fill in every scene's defaults and draw one small frame of it."""
        try:
            use = PackageUse(package)
        except TemplateBroken as error:
            return [_note("error", error.code, "f/", str(error), str(error))]
        notes = list(_unsupported(use))
        broken = {note.place.partition("#")[0] for note in notes if note.level == "error"}
        for index, variant in enumerate(package.manifest.variants):
            for number, scene in enumerate(variant.scenes):
                path = f"a/{scene.animation}.json"
                if path in broken:
                    continue
                place = f"flatrender.json#/variants/{index}/scenes/{number}"
                try:
                    values = slot_values(use, scene, {}, {}, {})
                    filled = use.animation(scene.animation).with_slots(values)
                    middle = (filled.in_frame + filled.out_frame) / 2
                    surface = skia.Surface(64, 64)
                    surface.getCanvas().scale(64 / filled.width, 64 / filled.height)
                    filled.draw(surface.getCanvas(), middle)
                except LottieError as error:
                    notes.append(_broken(error, place))
                except EngineError as error:
                    notes.append(_note("error", error.code, place, str(error), str(error)))
        return notes

    def open(self, spec: RenderSpec) -> RenderSession:
        """See ``RenderEngine``. Scenes are read when they are first drawn."""
        use = self._use(spec)
        fonts = _extra_fonts(use, spec.fonts)
        colors = {c.key: c.default for c in use.package.manifest.shared_colors}
        colors |= spec.composition.colors

        def load(scene: SceneInstance) -> Animation:
            found = use.package.scene(spec.composition.aspect, scene.scene_key)
            if found is None:
                raise InputBroken(f"the template has no scene {scene.scene_key!r}")
            values = slot_values(use, found, dict(scene.values), colors, spec.assets)
            try:
                base = use.animation(scene.animation, fonts)
            except LottieError as error:
                raise TemplateBroken(f"a/{scene.animation}.json: {error}") from error
            try:
                return base.with_slots({k: v for k, v in values.items() if k in base.slots})
            except (LottieSlotError, LottieAssetError, LottieLimitError) as error:
                raise InputBroken(f"scene {scene.scene_key}: {error}") from error
            except LottieError as error:
                raise TemplateBroken(f"a/{scene.animation}.json: {error}") from error

        timeline = _GuardedTimeline(
            spec.composition, spec.width, spec.height, load, marked=spec.watermark
        )
        return FrameSourceSession(timeline)

    def _use(self, spec: RenderSpec) -> PackageUse:
        with self._lock:
            key = spec.package_sha256
            found = self._packages.get(key)
            if found is not None:
                self._packages.move_to_end(key)
                return found
            try:
                package = TemplatePackage.open(Path(spec.package))
            except (PackageRefused, OSError) as error:
                raise TemplateBroken(f"{Path(spec.package).name}: {error}") from error
            if package.sha256 != key:
                package.close()
                raise TemplateBroken("the package is not the one the job was made with (sha256)")
            made = self._packages[key] = PackageUse(package)
            if len(self._packages) > _PACKAGES_KEPT:
                self._packages.popitem(last=False)
            return made


class _GuardedTimeline(Timeline):
    """A timeline whose faults are the engine's errors and name the frame."""

    def draw(self, pixels: Pixels, frame: int) -> None:
        """See ``FrameSource``."""
        with _named(frame):
            super().draw(pixels, frame)

    def redraw(self, pixels: Pixels, frame: int, held: int) -> list[Box] | None:
        """See ``ChangingSource``."""
        with _named(frame):
            return super().redraw(pixels, frame, held)


@contextmanager
def _named(frame: int) -> Iterator[None]:
    try:
        yield
    except LottieError as error:
        raise TemplateBroken(str(error), frame) from error
    except (InputBroken, TemplateBroken) as error:
        if error.frame is None:
            raise type(error)(str(error), frame) from error
        raise


def slot_values(
    use: PackageUse,
    scene: Scene,
    values: dict[str, object],
    colors: dict[str, str],
    assets: dict[str, str],
) -> dict[str, Value]:
    """Return what to fill in: the customer's values over the template's defaults, and colours.

    Raises ``InputBroken`` for an unknown slot or a picture that is missing or altered: drawing
    the template's own picture instead would sell the customer something else.
    """
    slots = {slot.id: slot for slot in scene.slots}
    if unknown := sorted(values.keys() - slots.keys()):
        raise InputBroken(f"scene {scene.key} has no slot {unknown[0]!r}")
    known = use.animation(scene.animation).slots
    filled: dict[str, Value] = {key: value for key, value in colors.items() if key in known}
    for key, slot in slots.items():
        value = values.get(key, slot.default)
        if isinstance(slot, ImageSlot):
            if (picture := _picture(use, slot, value, assets)) is not None:
                filled[key] = picture
        elif isinstance(slot, TextSlot) and isinstance(value, str):
            filled[key] = TextValue(value, slot.max_lines, slot.min_scale)
        elif value is not None:
            filled[key] = value  # type: ignore[assignment]  # the composition's own type says so
    return filled


def _picture(
    use: PackageUse, slot: ImageSlot, value: object, assets: dict[str, str]
) -> ImageValue | None:
    if value is None:
        return None
    if isinstance(value, str):  # a picture of the package
        try:
            return ImageValue(use.package.read(value), fit=slot.fit)
        except PackageRefused as error:
            raise InputBroken(f"slot {slot.id}: {error}") from error
    if not isinstance(value, ImageRef):
        raise InputBroken(f"slot {slot.id}: not a picture")
    path = assets.get(value.sha256)
    try:
        data = Path(path).read_bytes() if path else None
    except OSError as error:
        raise InputBroken(f"slot {slot.id}: {error.strerror}") from error
    if data is None or hashlib.sha256(data).hexdigest() != value.sha256:
        raise InputBroken(f"slot {slot.id}: the picture is missing or not the one that was chosen")
    return ImageValue(data, value.focus_x, value.focus_y, value.zoom, slot.fit)


def _extra_fonts(use: PackageUse, fonts: list[FontFile]) -> FontBook | None:
    if not fonts:
        return None
    book = FontBook(use.fonts)
    for font in fonts:
        try:
            book.register(Path(font.path).read_bytes(), font.family, font.style, font.weight)
        except (BadFontError, OSError) as error:
            raise InputBroken(f"font {font.family}: {error}") from error
    return book


def _unsupported(use: PackageUse) -> Iterator[InspectionNote]:
    names = sorted({s.animation for v in use.package.manifest.variants for s in v.scenes})
    for name in names:
        path = f"a/{name}.json"
        try:
            for item in use.animation(name).unsupported:
                yield _note(
                    "warning",
                    "unsupported_feature",
                    f"{path}#{item.where}",
                    f"Not drawn: {item.name}",
                    f"کشیده نمی‌شود: {item.name}",
                )
        except LottieError as error:
            yield _broken(error, path)


def _broken(error: LottieError, place: str) -> InspectionNote:
    pointer = f"#{error.pointer}" if error.pointer and "#" not in place else ""
    return _note(
        "error",
        error.code,
        f"{place}{pointer}",
        f"Cannot be drawn: {error}",
        f"کشیدن ممکن نیست: {error}",
    )


def _note(level: str, code: str, place: str, english: str, persian: str) -> InspectionNote:
    return InspectionNote(
        level=level, code=code, place=place, message_en=english, message_fa=persian
    )
