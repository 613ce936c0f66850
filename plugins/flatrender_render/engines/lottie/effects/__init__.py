"""Layer effects and layer styles (Lottie "Layer Effects", "Layer Style").

``parse_effects`` and ``parse_styles`` read what a layer holds; each kind lives in one module. What
is not drawn is reported by its name.
"""

from collections.abc import Callable

import skia

from flatrender_render.engines.lottie.reader import Obj

from .base import MAX_REACH, Effect
from .blur import GaussianBlur
from .colors import (
    BlackAndWhite,
    BrightnessContrast,
    Fill,
    Invert,
    Levels,
    Tint,
    Tritone,
)
from .shadow import DropShadow, DropShadowStyle


def _levels(obj: Obj) -> Effect:
    return Levels(obj, (2,))


def _pro_levels(obj: Obj) -> Effect:
    return Levels(obj, (3, 10, 17, 24))


# After Effects' own names decide; numbers are for files without them.
BY_NAME: dict[str, Callable[[Obj], Effect]] = {
    "ADBE Gaussian Blur 2": GaussianBlur,
    "ADBE Gaussian Blur": GaussianBlur,
    "ADBE Drop Shadow": DropShadow,
    "ADBE Tint": Tint,
    "ADBE Fill": Fill,
    "ADBE Tritone": Tritone,
    "ADBE Easy Levels2": _levels,
    "ADBE Pro Levels2": _pro_levels,
    "ADBE Invert": Invert,
    "ADBE Brightness & Contrast 2": BrightnessContrast,
    "ADBE Black&White": BlackAndWhite,
}

BY_TYPE: dict[int, Callable[[Obj], Effect]] = {
    20: Tint,
    21: Fill,
    23: Tritone,
    24: _pro_levels,
    25: DropShadow,
    29: GaussianBlur,
}

# Controls exist for expressions; they draw nothing.
CONTROLS = (
    "ADBE Slider Control",
    "ADBE Angle Control",
    "ADBE Color Control",
    "ADBE Point Control",
    "ADBE Point3D Control",
    "ADBE Checkbox Control",
    "ADBE Dropdown Control",
    "ADBE Layer Control",
    "Pseudo/",
)

TYPE_NAMES = {
    22: "stroke",
    26: "radial wipe",
    27: "displacement map",
    28: "matte",
    30: "twirl",
    31: "mesh warp",
    32: "wavy",
    33: "spherize",
    34: "puppet",
}

STYLE_NAMES = {
    0: "stroke",
    2: "inner shadow",
    3: "outer glow",
    4: "inner glow",
    5: "bevel and emboss",
    6: "satin",
    7: "colour overlay",
    8: "gradient overlay",
}


MAX_EFFECTS = 16  # of one layer


class Effects:
    """A stack of effects, the first applied first."""

    def __init__(self, effects: list[Effect]) -> None:
        self.effects = effects
        self.static = all(e.static for e in effects)
        self._filter: tuple[float, skia.ImageFilter | None] | None = None

    def filter(self, frame: float, scale: float) -> skia.ImageFilter | None:
        """Return the whole stack as one image filter, or ``None`` where nothing happens.

        ``scale`` is pixels of the surface for one unit of the effects' space.
        """
        reach = MAX_REACH / max(scale, 1e-3)
        if self._filter is not None and self._filter[0] == reach:
            return self._filter[1]
        result: skia.ImageFilter | None = None
        left = reach
        for effect in self.effects:
            result = effect.filter(frame, result, left)
            left = max(left - effect.outset(frame), 0.0)
        if self.static:
            self._filter = (reach, result)
        return result

    def outset(self, frame: float) -> float:
        """Return how far the stack paints beyond the layer."""
        return sum(e.outset(frame) for e in self.effects)


def parse_effects(layer: Obj) -> Effects | None:
    """Read a layer's effects; disabled ones (``en: 0``) count for nothing."""
    found: list[Effect] = []
    items = list(layer.objects("ef"))
    layer.doc.count("effects", len(items), layer.doc.limits.layers, layer)
    if len(items) > MAX_EFFECTS:
        layer.report(f"effects beyond {MAX_EFFECTS}")
    for item in items[:MAX_EFFECTS]:
        if not item.flag("en", True):
            continue
        kind, name = item.int("ty"), item.text("mn")
        make = BY_NAME.get(name) or BY_TYPE.get(kind)
        if make is not None:
            found.append(make(item))
        elif not name.startswith(CONTROLS) and not (kind == 5 and not name):
            label = name or TYPE_NAMES.get(kind) or f"type {kind}"
            item.report(f"effect {label}")
    return Effects(found) if found else None


def parse_styles(layer: Obj) -> Effects | None:
    """Read a layer's styles (``sy``)."""
    found: list[Effect] = []
    for item in list(layer.objects("sy"))[:16]:
        kind = item.int("ty")
        if kind == 1:
            found.append(DropShadowStyle(item))
        else:
            item.report(f"layer style {STYLE_NAMES.get(kind, kind)}")
    return Effects(found) if found else None
