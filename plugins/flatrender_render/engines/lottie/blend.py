"""Blend modes (Lottie "Blend Mode", member ``bm``)."""

import skia

from .reader import Obj

NORMAL = skia.BlendMode.kSrcOver

MODES = {
    0: NORMAL,
    1: skia.BlendMode.kMultiply,
    2: skia.BlendMode.kScreen,
    3: skia.BlendMode.kOverlay,
    4: skia.BlendMode.kDarken,
    5: skia.BlendMode.kLighten,
    6: skia.BlendMode.kColorDodge,
    7: skia.BlendMode.kColorBurn,
    8: skia.BlendMode.kHardLight,
    9: skia.BlendMode.kSoftLight,
    10: skia.BlendMode.kDifference,
    11: skia.BlendMode.kExclusion,
    12: skia.BlendMode.kHue,
    13: skia.BlendMode.kSaturation,
    14: skia.BlendMode.kColor,
    15: skia.BlendMode.kLuminosity,
    16: skia.BlendMode.kPlus,
}


def blend_mode(obj: Obj, key: str = "bm") -> skia.BlendMode:
    """Read a blend mode; one that Skia does not have (hard mix, 17) is reported."""
    number = obj.int(key)
    mode = MODES.get(number)
    if mode is None:
        obj.report(f"blend mode {number}")
        return NORMAL
    return mode
