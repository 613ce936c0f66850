"""The mark on videos of the free plan: the name and sign of FlatRender, drawn by us.

Owns its look and nothing else. It is drawn once per size into a picture and laid over every
frame: a faint diagonal pattern that cropping cannot remove, and a badge in the far corner.
"""

from functools import lru_cache

import skia

from flatrender_render.media.pictures import label_typeface

NAME = "FlatRender"


@lru_cache(maxsize=4)
def watermark(width: int, height: int) -> skia.Image:
    """Return the mark for a video of this size, transparent where there is none."""
    surface = skia.Surface.MakeRaster(
        skia.ImageInfo.Make(width, height, skia.kBGRA_8888_ColorType, skia.kPremul_AlphaType)
    )
    canvas = surface.getCanvas()
    canvas.clear(0)
    unit = min(width, height) / 100
    _pattern(canvas, width, height, unit)
    _badge(canvas, width, height, unit)
    return surface.makeImageSnapshot()


def _sign(size: float) -> skia.Path:
    """Return our sign in a box of ``size``: a sheet with one corner folded into a play mark."""
    path = skia.Path()
    path.moveTo(0, size * 0.06)
    path.lineTo(size * 0.62, size * 0.36)
    path.lineTo(0, size * 0.94)
    path.close()
    path.moveTo(size * 0.70, size * 0.40)
    path.lineTo(size * 0.94, size * 0.52)
    path.lineTo(size * 0.34, size * 0.84)
    path.close()
    return path


def _mark(canvas: skia.Canvas, x: float, y: float, size: float, paint: skia.Paint) -> float:
    """Draw sign and name with the text's baseline at ``y``; return the width."""
    font = skia.Font(label_typeface(700), size)
    font.setSubpixel(True)
    canvas.save()
    canvas.translate(x, y - size * 0.78)
    canvas.drawPath(_sign(size * 0.9), paint)
    canvas.restore()
    canvas.drawString(NAME, x + size * 1.08, y, font, paint)
    return float(size * 1.08 + font.measureText(NAME))


def _pattern(canvas: skia.Canvas, width: int, height: int, unit: float) -> None:
    """Cover the frame with faint names on the slant, each row shifted by half a step."""
    size = unit * 5.2
    # Light ink with a dark rim: seen on any ground, heavy on none.
    rim = skia.Paint(
        Color=skia.ColorSetARGB(20, 0, 0, 0),
        AntiAlias=True,
        Style=skia.Paint.kStroke_Style,
        StrokeWidth=unit * 0.35,
    )
    ink = skia.Paint(Color=skia.ColorSetARGB(34, 255, 255, 255), AntiAlias=True)
    step_x, step_y = unit * 56, unit * 25
    reach = width + height
    canvas.save()
    canvas.translate(width / 2, height / 2)
    canvas.rotate(-24)
    rows = int(reach / step_y) + 1
    columns = int(reach / step_x) + 2
    for row in range(-rows, rows + 1):
        shift = step_x / 2 if row % 2 else 0
        for column in range(-columns, columns + 1):
            x, y = column * step_x + shift - unit * 18, row * step_y
            if abs(x) < reach * 0.7 and abs(y) < reach * 0.7:
                _mark(canvas, x, y, size, rim)
                _mark(canvas, x, y, size, ink)
    canvas.restore()


def _badge(canvas: skia.Canvas, width: int, height: int, unit: float) -> None:
    """Draw the name on a dark pill in the lower right corner."""
    size = unit * 4.4
    text = skia.Font(label_typeface(700), size).measureText(NAME)
    w, h = text + size * 2.5, size * 2.1
    box = skia.Rect.MakeXYWH(width - w - unit * 3, height - h - unit * 3, w, h)
    canvas.drawRoundRect(
        box, h / 2, h / 2, skia.Paint(Color=skia.ColorSetARGB(120, 12, 14, 20), AntiAlias=True)
    )
    ink = skia.Paint(Color=skia.ColorSetARGB(225, 255, 255, 255), AntiAlias=True)
    _mark(canvas, box.left() + size * 0.72, box.top() + h * 0.67, size, ink)
