"""Layer effects, as Bodymovin writes them.

Owns the parameter order of the effects the catalogue uses (Lottie specification 1.0, "Effects":
types 20 tint, 21 fill, 25 drop shadow, 29 Gaussian blur). Costly effects belong on small or still
layers; nothing here checks that.
"""

from flatrender_content.catalogue.lottie_dsl.shapes import Color
from flatrender_content.catalogue.lottie_dsl.values import Json, Value, color_prop, prop


def _effect(kind: int, name: str, values: list[tuple[int, Json]]) -> Json:
    members = [{"ty": ty, "nm": str(i), "ix": i + 1, "v": v} for i, (ty, v) in enumerate(values)]
    return {"ty": kind, "nm": name, "np": len(values) + 2, "ef": members, "en": 1}


def fill_effect(color: Color, opacity: Value = 1.0) -> Json:
    """Recolour everything the layer draws; alpha stays."""
    return _effect(
        21,
        "Fill",
        [
            (10, prop(0.0)),
            (7, prop(0.0)),
            (2, color_prop(color)),
            (7, prop(0.0)),
            (0, prop(0.0)),
            (0, prop(0.0)),
            (0, prop(opacity)),
        ],
    )


def drop_shadow(
    color: Color = "#000000",
    *,
    opacity: float = 35.0,
    angle: float = 180.0,
    distance: float = 12.0,
    softness: float = 40.0,
) -> Json:
    """Shadow behind the layer; opacity in percent, angle 180 falls straight down."""
    return _effect(
        25,
        "Drop Shadow",
        [
            (2, color_prop(color)),
            (0, prop(opacity * 2.55)),  # After Effects stores this opacity as 0..255
            (0, prop(angle)),
            (0, prop(distance)),
            (0, prop(softness)),
            (7, prop(0.0)),
        ],
    )


def gaussian_blur(amount: Value) -> Json:
    """Blur in both directions; edges fade."""
    return _effect(29, "Gaussian Blur", [(0, prop(amount)), (7, prop(1.0)), (7, prop(0.0))])
