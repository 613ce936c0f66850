"""From a composition to what ``bind.jsx`` is told, and from its result to a proof.

Owns both formats and the naming convention of layers: ``frl_<key>`` shows a slot, ``frd_<key>``
holds data, ``frd_d<key>`` shows a text right to left in place of its ``frl_`` layer, ``frshare``
holds the shared colours (a text layer each: four numbers RGBA, or one for a switch). Values stay
nested by scene instance; nothing is flattened.
"""

import unicodedata
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path, PureWindowsPath
from typing import Final, Literal

from msgspec import Struct

from flatrender.template.after_effects import AepColor, AepManifest, AepScene, AepSlot
from flatrender.template.composition import Composition, ImageRef, SceneInstance
from flatrender.template.timing import placements, total_frames
from flatrender_render.engines import InputBroken, TemplateBroken
from flatrender_render.engines.aerender.bundle import inside, scene_of
from flatrender_render.engines.aerender.failures import AerenderFailed

FINAL_FIX: Final = "frfinal"
FINAL_ASSEMBLED: Final = "flatrender"
_FADES: Final = frozenset({"crossfade"})

Applied = str | float | bool | None
Picture = Callable[[ImageRef, AepSlot], Path]


class Binding(Struct, frozen=True, kw_only=True):
    """One value for the first of ``layers`` that exists. ``id`` is unique in the order.

    ``beside``: only where one of these layers exists as well.
    """

    id: str
    kind: Literal["text", "media", "control", "visible"]
    layers: list[str]
    value: str | float | bool
    rtl: bool | None = None
    effect: str = ""
    fit: Literal["", "cover"] = ""
    optional: bool = False
    beside: list[str] = []


class SceneOrder(Struct, frozen=True, kw_only=True):
    """Where one scene plays, in seconds; ``natural`` is its own length, ``fade`` its way in."""

    id: str
    comps: list[str]
    start: float
    duration: float
    natural: float
    intro: float = 0.0
    outro: float = 0.0
    fade: float = 0.0
    bindings: list[Binding] = []


class Order(Struct, frozen=True, kw_only=True):
    """``sidecar.json``: all that the script is told."""

    nonce: str
    project: str
    bound: str
    finals: list[str]
    fps: int
    frames: int
    scenes: list[SceneOrder]
    shared: list[Binding] = []
    assembled: str = FINAL_ASSEMBLED


class BoundLayer(Struct, frozen=True):
    """One layer as it read back; ``layer`` None where an optional one does not exist."""

    id: str
    layer: str | None = None
    applied: Applied = None


class PlacedScene(Struct, frozen=True):
    """A scene's layer as it read back, in seconds."""

    id: str
    start: float
    end: float


class Result(Struct, frozen=True, kw_only=True):
    """``result.json``: what the script says it did."""

    state: Literal["done", "failed"]
    nonce: str
    message: str = ""
    after_effects: str = ""
    comp: str = ""
    width: int = 0
    height: int = 0
    fps: float = 0.0
    duration: float = 0.0
    bindings: list[BoundLayer] = []
    scenes: list[PlacedScene] = []
    files: list[str] = []
    missing_footage: list[str] = []
    missing_fonts: list[str] = []


def make_order(
    composition: Composition,
    manifest: AepManifest,
    *,
    project: Path,
    bound: Path,
    nonce: str,
    picture: Picture,
) -> Order:
    """Return what is to be bound; ``picture`` lays out a customer's picture as a file.

    Raises ``InputBroken`` for a value that After Effects cannot take, ``TemplateBroken`` for a
    transition that its templates do not have.
    """
    scenes = []
    for place in placements(composition):
        instance = composition.scenes[place.index]
        known = scene_of(manifest, instance.scene_key) or AepScene(key=instance.scene_key)
        if place.overlap and instance.transition.kind not in _FADES:
            raise TemplateBroken(
                f"scene {instance.scene_key}: no transition {instance.transition.kind!r}"
            )
        scenes.append(
            SceneOrder(
                id=instance.id,
                comps=_distinct(known.comp, instance.animation, instance.scene_key),
                start=place.start,
                duration=instance.duration,
                natural=known.duration or instance.duration,
                intro=instance.intro,
                outro=instance.outro,
                fade=place.overlap,
                bindings=list(_bindings(instance, known, composition.direction, picture)),
            )
        )
    return Order(
        nonce=nonce,
        project=str(project),
        bound=str(bound),
        finals=[manifest.comp] if manifest.comp else [FINAL_ASSEMBLED, FINAL_FIX],
        fps=composition.fps,
        frames=total_frames(composition),
        scenes=scenes,
        shared=[
            *_shared(composition, manifest),
            Binding(
                id="frd_direction",
                kind="text",
                layers=["frd_direction"],
                value=composition.direction,
                optional=True,
            ),
        ],
    )


def _shared(composition: Composition, manifest: AepManifest) -> Iterator[Binding]:
    known = {color.key: color for color in manifest.colors}
    for key, value in sorted(composition.colors.items()):
        color = known.get(key) or AepColor(key=key, layer=key, kind="color", default="#000000")
        text = rgba_text(value, color.scale) if value.startswith("#") else value
        yield Binding(id=f"frshare/{key}", kind="text", layers=[color.layer], value=text)


def _bindings(
    scene: SceneInstance, known: AepScene, direction: str, picture: Picture
) -> Iterator[Binding]:
    slots = {slot.id: slot for slot in known.slots}
    for key, value in sorted(scene.values.items()):
        slot = slots.get(key) or AepSlot(id=key, type=_type_of(key, value), layer="")
        where = f"{scene.id}/{key}"
        if slot.type == "text" and isinstance(value, str):
            yield from _text(where, slot, value, direction)
        elif slot.type == "image" and isinstance(value, ImageRef):
            yield Binding(
                id=where,
                kind="media",
                layers=_layers(slot, "frl_"),
                value=str(picture(value, slot)),
                fit="" if slot.width and slot.height else "cover",
            )
        elif slot.type == "color" and isinstance(value, str):
            layers = _layers(slot, "frd_")
            yield Binding(id=where, kind="text", layers=layers, value=rgba_text(value))
        elif slot.type == "number" and isinstance(value, int | float):
            layers = _layers(slot, "frd_", "frs_", "frl_")
            yield Binding(id=where, kind="text", layers=layers, value=number_text(value))
        elif slot.type == "control" and isinstance(value, int | float):
            yield Binding(
                id=where,
                kind="control",
                layers=_layers(slot, "frl_", "frd_", "frc_"),
                effect=slot.effect,
                value=float(value),
            )
        else:
            raise InputBroken(f"slot {key}: no {type(value).__name__} for a slot of {slot.type}")
    for slot in known.slots:
        if slot.hide_when_empty and scene.values.get(slot.id, "") == "":
            yield Binding(
                id=f"{scene.id}/{slot.id}#visible",
                kind="visible",
                layers=_layers(slot, "frl_"),
                value=False,
            )


def _text(where: str, slot: AepSlot, value: str, direction: str) -> Iterator[Binding]:
    """Fill a text, and its right-to-left companion where there is one: then one of both shows."""
    rtl = is_rtl(value, direction)
    # After Effects ends paragraphs with a return.
    text = value.replace("\r\n", "\r").replace("\n", "\r")
    layers = _layers(slot, "frl_")
    yield Binding(id=where, kind="text", layers=layers, value=text, rtl=rtl)
    if slot.layer and not slot.companion:
        return  # a scan looked: there is none
    declared = bool(slot.companion)
    companion = [slot.companion or f"frd_d{layers[0].removeprefix('frl_')}"]
    yield Binding(
        id=f"{where}#companion",
        kind="text",
        layers=companion,
        value=text,
        rtl=rtl,
        optional=not declared,
    )
    for name, which, shown in (("companion", companion, rtl), ("own", layers, not rtl)):
        yield Binding(
            id=f"{where}#{name}-shown",
            kind="visible",
            layers=which,
            value=shown,
            optional=not declared,
            beside=companion,
        )


def _layers(slot: AepSlot, *prefixes: str) -> list[str]:
    if slot.layer:
        return [slot.layer]
    return _distinct(*(slot.id if slot.id.startswith(p) else p + slot.id for p in prefixes))


def _distinct(*names: str) -> list[str]:
    return list(dict.fromkeys(name for name in names if name))


def _type_of(key: str, value: object) -> Literal["text", "image", "number"]:
    if isinstance(value, ImageRef):
        return "image"
    if isinstance(value, str):
        return "text"
    if isinstance(value, int | float):
        return "number"
    raise InputBroken(f"slot {key}: After Effects takes no {type(value).__name__}")


def is_rtl(text: str, otherwise: str) -> bool:
    """Return whether a text reads right to left: its first strong letter (UAX #9, P2), else
    ``otherwise`` (``rtl`` or ``ltr``)."""
    for letter in text:
        kind = unicodedata.bidirectional(letter)
        if kind in {"R", "AL"}:
            return True
        if kind == "L":
            return False
    return otherwise == "rtl"


def rgba_text(color: str, scale: int = 1) -> str:
    """Return ``#rrggbb`` or ``#rrggbbaa`` as expressions read it: ``1,0.8,0,1``, or up to 255."""
    parts = [int(color[i : i + 2], 16) for i in range(1, len(color), 2)]
    return ",".join(number_text(part * scale / 255) for part in [*parts, 255][:4])


def number_text(value: float) -> str:
    """Return a number as expressions read it: no exponent, no needless zeros."""
    return f"{value:.6f}".rstrip("0").rstrip(".") or "0"


def check_result(order: Order, found: Result, size: tuple[int, int], *, root: Path) -> None:
    """Hold what was read back against what was asked. Raises ``AerenderFailed`` with names.

    ``size`` is what the composition must measure, in pixels; ``root`` is where the bundle lies.
    """
    # A project may name any file of the machine, another tenant's or a secret one, to be seen in
    # the video: what the bundle has not is missing.
    strays = {PureWindowsPath(path).name for path in found.files if inside(path, root) is None}
    if strays:
        names = ", ".join(sorted(strays)[:20])
        raise AerenderFailed("footage_missing", f"missing footage, not of the bundle: {names}")
    if found.missing_footage:
        names = ", ".join(sorted(found.missing_footage)[:20])
        raise AerenderFailed("footage_missing", f"missing footage: {names}")
    if found.missing_fonts:
        names = ", ".join(sorted(found.missing_fonts)[:20])
        raise AerenderFailed("fonts_missing", f"missing fonts: {names}")
    wanted = [b for scene in order.scenes for b in scene.bindings] + order.shared
    done: dict[str, list[BoundLayer]] = {}
    for layer in found.bindings:
        done.setdefault(layer.id, []).append(layer)
    for binding in wanted:
        layers = done.get(binding.id, [])
        if not layers or (not binding.optional and any(one.layer is None for one in layers)):
            raise AerenderFailed("binding_failed", f"{binding.id}: bound to no layer")
        for layer in layers:
            if layer.layer is not None and not _same(binding, layer.applied):
                raise AerenderFailed(
                    "binding_failed",
                    f"{binding.id}: layer {layer.layer} says {layer.applied!r}, "
                    f"not {binding.value!r}",
                )
    _check_time(order, found)
    if (found.width, found.height) != size:
        raise AerenderFailed(
            "binding_failed",
            f"{found.comp} is {found.width}x{found.height}, not {size[0]}x{size[1]}",
        )


def _check_time(order: Order, found: Result) -> None:
    if abs(found.fps - order.fps) > 0.001:
        raise AerenderFailed("binding_failed", f"{found.comp} has {found.fps} frames a second")
    if abs(found.duration * order.fps - order.frames) > 0.5:
        raise AerenderFailed("binding_failed", f"{found.comp} is {found.duration} s long")
    places = {scene.id: scene for scene in order.scenes}
    frame = 1.01 / order.fps  # layers begin and end on frames
    seen = set()
    for placed in found.scenes:
        scene = places.get(placed.id)
        seen.add(placed.id)
        if scene is None:
            continue
        late = abs(placed.start - scene.start), abs(placed.end - scene.start - scene.duration)
        if max(late) > frame:
            raise AerenderFailed(
                "binding_failed", f"scene {placed.id} plays {placed.start} to {placed.end} s"
            )
    if found.comp == FINAL_ASSEMBLED and seen != places.keys():
        raise AerenderFailed("binding_failed", "not every scene was placed")


def _same(binding: Binding, applied: Applied) -> bool:
    value = binding.value
    if isinstance(value, bool) or isinstance(applied, bool):
        return value is applied
    if isinstance(value, str) and isinstance(applied, str):
        if binding.kind == "media":
            return _path(value) == _path(applied)
        return _lines(value) == _lines(applied)
    if isinstance(value, int | float) and isinstance(applied, int | float):
        return abs(value - applied) <= 1e-4 * max(1.0, abs(value))
    return False


def _path(path: str) -> str:
    return path.replace("\\", "/").casefold()


def _lines(text: str) -> Sequence[str]:
    return text.replace("\x03", "\r").replace("\r\n", "\r").replace("\n", "\r").split("\r")
