"""Pieces that templates share: grounds, stars of Persian tiles, framed pictures, bars.

Owns composed layers that carry no text of their own. Everything still is drawn first, so that the
engine may keep it.
"""

from collections.abc import Sequence

from flatrender_content.catalogue.artwork.marks import SHADOW_INNER
from flatrender_content.catalogue.kit.design import Box
from flatrender_content.catalogue.kit.moves import pop, settle
from flatrender_content.catalogue.kit.scene import Picture, SceneBuilder
from flatrender_content.catalogue.lottie_dsl.comp import Comp
from flatrender_content.catalogue.lottie_dsl.effects import fill_effect
from flatrender_content.catalogue.lottie_dsl.layers import Layer, Mask
from flatrender_content.catalogue.lottie_dsl.shapes import (
    Color,
    bezier,
    fill,
    group,
    path,
    rect,
    repeater,
    rosette,
    stroke,
)
from flatrender_content.catalogue.lottie_dsl.values import Json, Value, Vec, keys


def ground(b: SceneBuilder, color: str = "background") -> Layer:
    """Fill the whole picture with a palette colour."""
    stage = b.stage
    return b.shapes(
        "ground",
        [rect((stage.w + 8, stage.h + 8)), fill(b.palette[color])],
        position=(stage.cx, stage.cy),
    )


def glow(b: SceneBuilder, color: Color, at: Vec, size: float, opacity: Value = 100.0) -> Layer:
    """Lay soft light of a palette colour; best left still."""
    layer = b.art("glow", "glow.png", (256, 256))
    layer.position, layer.opacity = at, opacity
    layer.scale = (size / 2.56, size / 2.56)
    layer.effects = [fill_effect(color)]
    return b.comp.add(layer)


def tile_star(
    b: SceneBuilder,
    color: Color,
    at: Value,
    radius: float,
    *,
    rings: Sequence[float] = (1.0, 0.84, 0.5),
    width: float = 3.0,
    opacity: float = 40.0,
    turn: float = 24.0,
    start: float = 0.0,
) -> Layer:
    """Outlined eight-fold star that keeps turning, as a slow ornament."""
    rows = [
        group(
            [rosette(8, radius * ring), stroke(color, width, opacity=opacity)],
            rotation=22.5 * (i % 2),
        )
        for i, ring in enumerate(rings)
    ]
    return b.shapes(
        "tile star",
        rows,
        position=at,
        rotation=keys((0.0, 0.0), (b.seconds, turn, "linear")),
        scale=settle(start, 62.0, 100.0, 1.4),
    )


def tile_band(b: SceneBuilder, color: Color, y: float, *, opacity: float = 22.0) -> Layer:
    """Lay a border of small tiles across the stage; it stands still."""
    pitch = 72.0
    count = int(b.stage.w / pitch) + 2
    tile = [
        group([rosette(8, 20), stroke(color, 3)]),
        group([diamond(7), fill(color)]),
        group([diamond(5), fill(color)], position=(pitch / 2, 0)),
    ]
    return b.shapes(
        "tile band",
        [group([group(tile), repeater(count, position=(pitch, 0))])],
        position=(b.stage.cx - pitch * (count - 1) / 2, y),
        opacity=opacity,
    )


def soft_shadow(
    b: SceneBuilder, size: Vec, parent: Layer, *, opacity: Value = 30.0, fall: float = 22.0
) -> Layer:
    """Lay a soft shadow below a card: a stretched picture is far cheaper than a blur."""
    layer = b.art("shadow", "shadow.png", (256, 256))
    layer.parent = parent
    layer.position = (0.0, fall)
    layer.scale = (size[0] / SHADOW_INNER / 2.56, size[1] / SHADOW_INNER / 2.56)
    layer.opacity = opacity
    return b.comp.add(layer)


def diamond(size: float) -> Json:
    """Return a small square on its tip."""
    return path(bezier([(0, -size), (size, 0), (0, size), (-size, 0)]))


def sparks(b: SceneBuilder, color: Color, points: Sequence[tuple[float, float, float]]) -> None:
    """Small diamonds that pop in one after another and turn slowly; points are x, y, size."""
    items = [
        group(
            [diamond(size), fill(color)],
            position=(x, y),
            scale=pop(0.5 + i * 0.12, 0.55),
            rotation=keys((0.0, 0.0), (b.seconds, 90.0 if i % 2 else -90.0, "linear")),
        )
        for i, (x, y, size) in enumerate(points)
    ]
    b.shapes("sparks", items)


def framed(
    b: SceneBuilder,
    picture: Picture,
    box: Box,
    outline: Json,
    *,
    at: float,
    zoom: tuple[float, float] = (116.0, 104.0),
    shift: float = 0.0,
    reveal_from: Json | None = None,
    reveal: float = 1.0,
) -> Layer:
    """Show a picture in an outline (around the box's middle); the camera goes on inside it.

    ``shift`` moves the picture sideways in its frame, in pixels: its zoom must leave room for it.
    """
    inside = Comp(round(box.w), round(box.h), b.seconds)
    image = b.picture(picture, (box.w, box.h))
    image.position = (inside.width / 2 + shift, inside.height / 2)
    low, high = zoom
    image.scale = keys(
        (at, (low + 8, low + 8)),
        (at + 1.4, (low - 4, low - 4), "expo_out"),
        (b.seconds, (high, high), "sine_in_out"),
    )
    inside.add(image)
    frame = b.animation.precomp(picture.id, inside)
    frame.position = box.middle
    frame.masks = [_mask(outline, box, reveal_from, at, reveal)]
    frame.start = at
    return b.comp.add(frame)


def _mask(outline: Json, box: Box, first: Json | None, at: float, length: float) -> Mask:
    """Move an outline around (0, 0) into the precomp's own space."""

    def moved(shape: Json) -> Json:
        dx, dy = box.w / 2, box.h / 2
        return {**shape, "v": [[x + dx, y + dy] for x, y in shape["v"]]}

    if first is None:
        return Mask(moved(outline))
    return Mask(moved(first), to=moved(outline), since=at, until=at + length)


def bar(
    b: SceneBuilder, color: str, box: Box, at: float, *, accompanies: str | None = None
) -> Layer:
    """Lay a bar that grows from the side where reading starts (or the middle, when centred)."""
    stage = b.stage
    from_edge = box.x + box.w if stage.rtl else box.x
    return b.shapes(
        "bar",
        [
            rect((box.w, box.h), radius=box.h / 2),
            fill(b.palette[color]),
        ],
        position=(from_edge, box.cy),
        anchor=(-stage.sign * box.w / 2, 0.0),
        scale=keys((at, (0.0, 100.0)), (at + 0.7, (100.0, 100.0), "expo_out")),
        accompanies=accompanies,
    )
