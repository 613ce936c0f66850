"""What the scenes of ``story-vertical`` share: progress bar, pin, pen line, paper prints."""

from flatrender_content.catalogue.kit.design import Box
from flatrender_content.catalogue.kit.moves import appear, strike
from flatrender_content.catalogue.kit.ornaments import framed, soft_shadow
from flatrender_content.catalogue.kit.scene import Picture, SceneBuilder
from flatrender_content.catalogue.lottie_dsl.shapes import (
    bezier,
    ellipse,
    fill,
    group,
    line,
    path,
    rect,
    rounded,
    stroke,
    trim,
)
from flatrender_content.catalogue.lottie_dsl.values import keys

WHITE = "#ffffff"  # over photographs, whatever the palette


def progress(b: SceneBuilder, *, on_photo: bool = False) -> None:
    """The thin bar of a story, filling while the scene plays."""
    stage = b.stage
    color = WHITE if on_photo else b.palette["ink"]
    half = stage.w / 2 - 60
    start, end = (-stage.sign * half, 0), (stage.sign * half, 0)
    b.shapes(
        "progress",
        [
            group(
                [
                    line(start, end),
                    trim(0, keys((0.0, 0.0), (b.seconds, 100.0, "linear"))),
                    stroke(color, 8),
                ]
            ),
            group([line(start, end), stroke(color, 8, opacity=30)]),
        ],
        position=(stage.cx, 56),
    )


def pin(b: SceneBuilder, at: tuple[float, float], color: str, begin: float) -> None:
    """A map pin that drops."""
    drop = path(
        bezier(
            [(0, 26), (-22, -8), (0, -34), (22, -8)],
            ins=[(0, 0), (0, 14), (-14, 0), (0, -14)],
            outs=[(0, 0), (0, -14), (14, 0), (0, 14)],
        )
    )
    hole = ellipse((15, 15), position=(0, -10))
    b.shapes(
        "pin",
        [group([drop, hole, fill(b.palette[color], even_odd=True)])],
        position=keys((begin, (at[0], at[1] - 60)), (begin + 0.6, at, "back_out")),
        opacity=appear(begin, 0.2),
        accompanies="place",
    )


def pen_line(b: SceneBuilder, box: Box, begin: float, color: str = "accent") -> None:
    """An underline as a pen draws it, in reading direction."""
    s = b.stage.sign
    w = box.w / 2
    swoosh = bezier(
        [(-s * w, 3.0), (s * w, -4.0), (-s * w * 0.1, 16.0)],
        ins=[(0, 0), (-s * w * 0.5, -5.0), (s * w * 0.4, -3.0)],
        outs=[(s * w * 0.6, -11.0), (-s * w * 0.3, 4.0), (0, 0)],
        closed=False,
    )
    b.shapes(
        "pen",
        [
            path(swoosh),
            trim(0, strike(begin, 0.9, "cubic_in_out")),
            stroke(b.palette[color], 9),
        ],
        position=box.middle,
    )


def paper_print(
    b: SceneBuilder, picture: Picture, box: Box, *, tilt: float, begin: float, drift: float
) -> None:
    """A paper print laid on a tilted sheet and taped down.

    Sheet and tape turn; the picture itself stands upright, because turning pixels for every frame
    costs ten times what moving them does.
    """
    palette = b.palette
    fall = b.stage.h * 0.35
    border = 24.0
    size = (box.w + border * 2, box.h + border * 2)
    holder = b.null(
        f"{picture.id} print",
        position=keys(
            (begin, (box.cx, box.cy - fall)),
            (begin + 0.8, box.middle, "expo_out"),
            (b.seconds, (box.cx, box.cy + drift), "sine_in_out"),
        ),
        scale=keys((begin, (122.0, 122.0)), (begin + 0.7, (100.0, 100.0), "expo_out")),
    )
    b.shapes(
        "sheet",
        [rect((size[0] + 6, size[1] + 6), radius=18), fill(palette["accent"])],
        parent=holder,
        rotation=keys(
            (begin, tilt * -3.0),
            (begin + 1.0, tilt, "soft_back"),
            (b.seconds, tilt * 1.4, "sine_in_out"),
        ),
        start=begin,
    )
    shown = keys((begin, 0.0), (begin + 0.7, 42.0, "cubic_in"))
    soft_shadow(b, size, holder, opacity=shown)
    b.shapes(
        "print",
        [rect(size, radius=14), fill(WHITE)],
        parent=holder,
        start=begin,
    )
    image = framed(b, picture, box, rounded(box.w, box.h, 6), at=begin, zoom=(112.0, 102.0))
    image.parent, image.position = holder, (0.0, 0.0)
    b.shapes(
        "tape",
        [rect((190, 52), radius=4), fill(palette["tint"], opacity=88)],
        parent=holder,
        position=(-b.stage.sign * tilt * 18, -size[1] / 2),
        rotation=-tilt * 1.6,
        scale=keys((begin + 0.75, (0.0, 100.0)), (begin + 1.1, (100.0, 100.0), "expo_out")),
        start=begin + 0.75,
    )
