"""Layers: transform, time, parents, masks, mattes, effects.

Owns what all kinds of layers share (Lottie specification 1.0, "Layers"). A layer gets its ``ind``
from the composition it is added to. Times are seconds of the composition.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Literal

from flatrender_content.catalogue.lottie_dsl.shapes import transform_members
from flatrender_content.catalogue.lottie_dsl.values import Json, Value, Vec, frames, prop

MatteMode = Literal["alpha", "alpha_inverted", "luma", "luma_inverted"]
_MATTES: dict[MatteMode, int] = {"alpha": 1, "alpha_inverted": 2, "luma": 3, "luma_inverted": 4}
BLEND: dict[str, int] = {"normal": 0, "multiply": 1, "screen": 2, "overlay": 3, "add": 16}


@dataclass(frozen=True, slots=True)
class Mask:
    """A mask of one closed bezier, or of two with the easing of ``shape`` keyframes."""

    shape: Json
    mode: Literal["a", "s", "i"] = "a"
    opacity: Value = 100.0
    feather: float = 0.0
    expand: Value = 0.0
    to: Json | None = None  # the shape at ``until``, when the mask moves
    since: float = 0.0
    until: float = 0.0

    def json(self) -> Json:
        """Return Bodymovin's mask."""
        points: Json = {"a": 0, "k": self.shape}
        if self.to is not None:
            points = {
                "a": 1,
                "k": [
                    {
                        "t": frames(self.since),
                        "s": [self.shape],
                        "o": {"x": 0.16, "y": 1},
                        "i": {"x": 0.3, "y": 1},
                    },
                    {"t": frames(self.until), "s": [self.to]},
                ],
            }
        out: Json = {
            "inv": False,
            "mode": self.mode,
            "pt": points,
            "o": prop(self.opacity),
            "x": prop(self.expand),
            "nm": "mask",
        }
        if self.feather:
            out["f"] = prop((self.feather, self.feather))
        return out


@dataclass(eq=False)
class Layer:
    """One layer. ``body`` holds what only its kind has (``ty``, ``shapes``, ``t``, ``refId``)."""

    name: str
    body: Json
    position: Value = (0.0, 0.0)
    anchor: Value = (0.0, 0.0)
    scale: Value = (100.0, 100.0)
    rotation: Value = 0.0
    opacity: Value = 100.0
    position_x: Value | None = None
    position_y: Value | None = None
    start: float = 0.0
    end: float | None = None
    parent: "Layer | None" = None
    masks: Sequence[Mask] = ()
    effects: Sequence[Json] = ()
    blend: str = "normal"
    matte: "Layer | None" = None
    matte_mode: MatteMode = "alpha"
    accompanies: str | None = None  # a text slot: the layer goes when that is empty
    ind: int = 0
    is_matte: bool = field(default=False, init=False)

    def masked_by(self, source: "Layer", mode: MatteMode = "alpha") -> "Layer":
        """Let ``source`` decide where this layer shows; the source itself is not drawn."""
        self.matte, self.matte_mode = source, mode
        source.is_matte = True
        return self

    def json(self, duration: float) -> Json:
        """Return Bodymovin's layer in a composition of ``duration`` seconds."""
        out: Json = {
            "ddd": 0,
            "ind": self.ind,
            "nm": self.name,
            "sr": 1,
            "ks": transform_members(
                position=self.position,
                anchor=self.anchor,
                scale=self.scale,
                rotation=self.rotation,
                opacity=self.opacity,
                position_x=self.position_x,
                position_y=self.position_y,
            ),
            "ao": 0,
            "ip": frames(self.start),
            "op": frames(duration if self.end is None else self.end),
            "st": 0,
            "bm": BLEND[self.blend],
            **self.body,
        }
        if self.parent is not None:
            out["parent"] = self.parent.ind
        if self.accompanies is not None:
            out["flatrender"] = {"with": self.accompanies}
        if self.masks:
            out["hasMask"] = True
            out["masksProperties"] = [m.json() for m in self.masks]
        if self.effects:
            out["ef"] = list(self.effects)
        if self.matte is not None:
            out["tt"] = _MATTES[self.matte_mode]
            out["tp"] = self.matte.ind
        if self.is_matte:
            out["td"] = 1
        return out


def shape_body(items: Sequence[Json]) -> Json:
    """Body of a shape layer; the first item is on top, as in After Effects."""
    return {"ty": 4, "shapes": list(items)}


def solid_body(width: float, height: float, color: str) -> Json:
    """Body of a solid of one fixed colour."""
    return {"ty": 1, "sw": round(width), "sh": round(height), "sc": color}


def null_body() -> Json:
    """Body of a null: a transform that others hang on."""
    return {"ty": 3}


def image_body(asset: str) -> Json:
    """Body of an image layer."""
    return {"ty": 2, "refId": asset}


def precomp_body(asset: str, width: float, height: float) -> Json:
    """Body of a precomposition layer."""
    return {"ty": 0, "refId": asset, "w": round(width), "h": round(height)}


def text_body(member: Json) -> Json:
    """Body of a text layer from ``text_member``."""
    return {"ty": 5, "t": member}


def centered(size: Vec) -> Vec:
    """Return the anchor that puts a layer's middle on its position."""
    return (size[0] / 2, size[1] / 2)
