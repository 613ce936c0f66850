"""Cross checks of a decoded manifest against itself and against the package's entries.

Owns the rules that no type can say. Pure but for reading entries of the archive it is given;
collects every problem and raises none.
"""

from collections.abc import Iterable, Sequence

from flatrender.errors import FieldError
from flatrender.fonts import catalogue
from flatrender.template.animations import AnimationFacts, NotAnAnimation, SlotKind, read_facts
from flatrender.template.archive import SafeArchive
from flatrender.template.decode import escape
from flatrender.template.manifest import (
    ColorSlot,
    GradientSlot,
    ImageSlot,
    NumberSlot,
    Scene,
    Slot,
    TemplateManifest,
    TextSlot,
    Variant,
)
from flatrender.template.media_kinds import IMAGE_PIXELS, looks_like, picture_size
from flatrender.template.problems import PackageProblem, PackageRefused, problem
from flatrender.template.values import check_value

MANIFEST = "flatrender.json"
_ASPECTS = {"16:9": (16, 9), "1:1": (1, 1), "9:16": (9, 16)}
# What a slot of each type may stand on in the animation.
_PLACES: dict[type, tuple[str, frozenset[SlotKind]]] = {
    TextSlot: ("text", frozenset({"text"})),
    ImageSlot: ("image", frozenset({"image"})),
    GradientSlot: ("gradient", frozenset({"gradient"})),
    ColorSlot: ("color", frozenset({"color", "property"})),
    NumberSlot: ("number", frozenset({"property"})),
}


class Checker:
    """Gathers the problems of one package; ``problems`` is complete after ``run``."""

    def __init__(self, manifest: TemplateManifest, archive: SafeArchive) -> None:
        self.manifest = manifest
        self.archive = archive
        self.problems: list[PackageProblem] = []
        self.sizes: dict[str, tuple[int, int]] = {}
        self.facts: dict[str, AnimationFacts | None] = {}
        self.shared = [color.key for color in manifest.shared_colors]

    def run(self) -> list[PackageProblem]:
        """Run every check and return what was found, errors and warnings."""
        self._files()
        self._colors()
        self._assets()
        self._variants()
        return self.problems

    def _add(self, code: str, pointer: str, path: str = MANIFEST, /, **params: object) -> None:
        self.problems.append(problem(code, path, pointer, level="error", **params))

    def _warn(self, code: str, pointer: str, path: str = MANIFEST, /, **params: object) -> None:
        self.problems.append(problem(code, path, pointer, level="warning", **params))

    def _files(self) -> None:
        """Every file's first bytes are what its name says; pictures stay under the pixel cap."""
        for name in self.archive.names:
            extension = name.rpartition(".")[2].lower()
            try:
                if not looks_like(name, self.archive.head(name)):
                    self._add("file_kind_mismatch", "", name, expected=extension)
                    continue
                if name.startswith("i/") or name == "poster.png":
                    self._picture(name)
            except PackageRefused as refused:
                self.problems += refused.problems

    def _picture(self, name: str) -> None:
        size = picture_size(name, self.archive.read(name))
        if size is None:
            self._add("file_kind_mismatch", "", name, expected=name.rpartition(".")[2])
        elif size[0] * size[1] > IMAGE_PIXELS:
            self._add(
                "image_too_large", "", name, width=size[0], height=size[1], limit=IMAGE_PIXELS
            )
        else:
            self.sizes[name] = size

    def _unique(self, keys: Iterable[str], pointer: str, field: str) -> None:
        seen: set[str] = set()
        for index, key in enumerate(keys):
            if key in seen:
                self._add("duplicate_key", f"{pointer}/{index}/{field}", key=key)
            seen.add(key)

    def _needs(self, path: str, folder: str, pointer: str) -> None:
        if not path.startswith(f"{folder}/") or path not in self.archive:
            self._add("entry_missing", pointer, path=path)

    def _colors(self) -> None:
        manifest = self.manifest
        self._unique(self.shared, "/shared_colors", "key")
        self._unique((p.key for p in manifest.presets), "/presets", "key")
        for index, preset in enumerate(manifest.presets):
            place = f"/presets/{index}/colors"
            for key in preset.colors:
                if key not in self.shared:
                    self._add("color_unknown", f"{place}/{escape(key)}", key=key)
            if missing := [key for key in self.shared if key not in preset.colors]:
                self._add("preset_incomplete", place, keys=", ".join(missing))

    def _assets(self) -> None:
        manifest = self.manifest
        self._unique((m.key for m in manifest.music), "/music", "key")
        for index, font in enumerate(manifest.fonts):
            self._needs(font.path, "f", f"/fonts/{index}/path")
        for index, track in enumerate(manifest.music):
            self._needs(track.path, "u", f"/music/{index}/path")
        default = manifest.audio.music
        if default is not None and default not in {m.key for m in manifest.music}:
            self._add("music_unknown", "/audio/music", key=default)

    def _variants(self) -> None:
        seen: set[str] = set()
        for index, variant in enumerate(self.manifest.variants):
            place = f"/variants/{index}"
            if variant.aspect in seen:
                self._add("aspect_duplicate", f"{place}/aspect", aspect=variant.aspect)
            seen.add(variant.aspect)
            self._size(variant, place)
            self._unique((s.key for s in variant.scenes), f"{place}/scenes", "key")
            for number, scene in enumerate(variant.scenes):
                self._scene(scene, f"{place}/scenes/{number}")
            self._overlaps(variant, place)
            if not any(scene.in_default for scene in variant.scenes):
                self._add("no_default_scene", f"{place}/scenes")

    def _size(self, variant: Variant, place: str) -> None:
        width, height = variant.width, variant.height
        across, down = _ASPECTS[variant.aspect]
        if width % 2 or height % 2:
            self._add("size_odd", f"{place}/width", width=width, height=height)
        # Even sizes cannot hit 16:9 exactly everywhere (854x480): two pixels of slack.
        if abs(width * down - height * across) > 2 * max(across, down):
            self._add(
                "size_not_aspect",
                f"{place}/width",
                width=width,
                height=height,
                aspect=variant.aspect,
            )

    def _scene(self, scene: Scene, place: str) -> None:
        low, high = duration_range(scene)
        if low > high:
            self._add("range_invalid", f"{place}/min_duration", minimum=low, maximum=high)
        elif not low <= scene.duration <= high:
            self._add(
                "duration_out_of_range",
                f"{place}/duration",
                duration=scene.duration,
                minimum=low,
                maximum=high,
            )
        fixed = scene.intro + scene.outro
        if fixed > low:
            self._add("fixed_parts_too_long", f"{place}/intro", needed=fixed, minimum=low)
        if self.manifest.mode == "Fix" and (scene.repeatable or scene.removable):
            flag = "repeatable" if scene.repeatable else "removable"
            self._add("mode_forbids", f"{place}/{flag}", mode=self.manifest.mode)
        color = scene.transition.color
        if color and not color.startswith("#") and color not in self.shared:
            self._add("color_unknown", f"{place}/transition/color", key=color)
        for index, sound in enumerate(scene.sounds):
            self._needs(sound.path, "u", f"{place}/sounds/{index}/path")
        self._unique((slot.id for slot in scene.slots), f"{place}/slots", "id")
        for index, slot in enumerate(scene.slots):
            self._default(slot, f"{place}/slots/{index}")
        facts = self._animation(scene.animation, place)
        if facts is not None:
            if fixed > facts.length + 1e-6:
                self._add(
                    "animation_too_short", f"{place}/intro", needed=fixed, length=facts.length
                )
            self._bindings(scene, facts, place)

    def _animation(self, name: str, place: str) -> AnimationFacts | None:
        path = f"a/{name}.json"
        if path not in self.archive:
            self._add("animation_missing", f"{place}/animation", name=name)
            return None
        if name not in self.facts:
            self.facts[name] = None
            try:
                facts = self.facts[name] = read_facts(self.archive.read(path))
            except NotAnAnimation as error:
                self._add("animation_invalid", "", path, reason=error)
                return None
            except PackageRefused:
                return None  # reported with the files
            for image in facts.images:
                if f"i/{image}" not in self.archive:
                    self._add("entry_missing", "/assets", path, path=f"i/{image}")
            families = {font.family.casefold() for font in self.manifest.fonts}
            families |= {font.family.casefold() for font in catalogue()}
            for family in facts.fonts:
                if family.casefold() not in families:
                    self._warn("font_unlisted", "/fonts/list", path, family=family)
        return self.facts[name]

    def _bindings(self, scene: Scene, facts: AnimationFacts, place: str) -> None:
        """A slot that binds to nothing would silently drop the customer's edit: refused."""
        for index, slot in enumerate(scene.slots):
            where = f"{place}/slots/{index}"
            if slot.id in self.shared:
                self._add("slot_shadows_color", f"{where}/id", key=slot.id)
            kinds = facts.slots.get(slot.id)
            declared, allowed = _PLACES[type(slot)]
            if kinds is None:
                self._add("slot_unbound", f"{where}/id", animation=scene.animation, key=slot.id)
            elif not kinds <= allowed:
                found = ", ".join(sorted(kinds - allowed))
                self._add(
                    "slot_kind_mismatch",
                    f"{where}/type",
                    key=slot.id,
                    declared=declared,
                    found=found,
                )
        for key in sorted(facts.slots.keys() - {s.id for s in scene.slots} - {*self.shared}):
            self._warn("slot_undeclared", f"{place}/slots", key=key)

    def _default(self, slot: Slot, place: str) -> None:
        if isinstance(slot, ImageSlot):
            if slot.default is None:
                return
            self._needs(slot.default, "i", f"{place}/default")
            size = self.sizes.get(slot.default)
            if size and (size[0] < slot.min_width or size[1] < slot.min_height):
                reason = f"{size[0]}x{size[1]} < {slot.min_width}x{slot.min_height}"
                self._add("default_invalid", f"{place}/default", reason=reason)
            return
        if isinstance(slot, NumberSlot) and slot.minimum > slot.maximum:
            self._add(
                "range_invalid", f"{place}/minimum", minimum=slot.minimum, maximum=slot.maximum
            )
            return
        result = check_value(slot, slot.default)
        if isinstance(result, FieldError):
            self._add("default_invalid", f"{place}/default", reason=result.message_en)

    def _overlaps(self, variant: Variant, place: str) -> None:
        """A scene must outlast its own way in plus the way in of whatever may follow it."""
        fixed_order = self.manifest.mode == "Fix"
        for index, scene in enumerate(variant.scenes):
            overlap = scene.transition.overlap
            before: Sequence[Scene] = variant.scenes
            after: Sequence[Scene] = variant.scenes
            if fixed_order:
                before, after = variant.scenes[:index][-1:], variant.scenes[index + 1 : index + 2]
                if not before:
                    overlap = 0.0  # nothing to come in over
            low = duration_range(scene)[0]
            limit = min([low, *(duration_range(other)[0] for other in before)])
            follows = max([0.0, *(other.transition.overlap for other in after)])
            if overlap and (overlap >= limit or overlap + follows > low):
                self._add(
                    "overlap_too_long",
                    f"{place}/scenes/{index}/transition/overlap",
                    overlap=overlap,
                    limit=min(limit, max(low - follows, 0.0)),
                )


def duration_range(scene: Scene) -> tuple[float, float]:
    """Return the shortest and the longest duration a customer may choose, seconds."""
    low = scene.duration if scene.min_duration is None else scene.min_duration
    high = scene.duration if scene.max_duration is None else scene.max_duration
    return low, high
