"""A composition over time: which scenes show at an instant, how far each has played.

Owns time mapping, transitions, framing to the output's size and the watermark. A scene is an
animation that can be drawn at any (fractional) frame; this module never looks inside one.
"""

from collections import OrderedDict
from collections.abc import Callable
from typing import Protocol

import numpy as np
import skia

from flatrender.template.composition import Composition, SceneInstance
from flatrender.template.timing import Placement, placements, total_frames
from flatrender_render.engines import Box, Pixels
from flatrender_render.engines.lottie.changes import WHOLE, Region
from flatrender_render.engines.lottie.transitions import (
    Stage,
    draw_transition,
    parse_color,
    vector_of,
)
from flatrender_render.engines.lottie.watermark import watermark

# Instances kept filled in: a chunk shows one or two scenes at a time.
_KEPT = 4
BACKGROUND_COLOR = "background"  # a shared colour of this name lies behind all scenes


class Drawable(Protocol):
    """An animation with its values filled in."""

    width: int
    height: int
    fps: float
    in_frame: float
    out_frame: float

    def draw(self, canvas: skia.Canvas, frame: float, first: int = 0) -> None:
        """Draw a frame at the animation's own size, from its part ``first`` on."""
        ...

    def redraw(self, canvas: skia.Canvas, frame: float, region: Region, first: int = 0) -> None:
        """Draw only what lies in a region that ``changes`` gave for this frame."""
        ...

    def ground(self, frame: float, matrix: skia.Matrix, surface: skia.IRect) -> int:
        """Return the part that hides the whole surface and all parts before it, or -1."""
        ...

    def changes(self, before: float, after: float, matrix: skia.Matrix, region: Region) -> None:
        """Add all pixels that may differ between two frames."""
        ...


def scene_time(at: float, scene: SceneInstance, natural: float) -> float:
    """Map seconds since the scene's start to seconds of its animation (``natural`` long).

    The first ``intro`` and last ``outro`` seconds keep their speed, what lies between stretches.
    Where the chosen duration cannot hold both, they share it in proportion.
    """
    at = min(max(at, 0.0), scene.duration)
    intro, outro = scene.intro, scene.outro
    if intro + outro > min(scene.duration, natural):
        # Only hand-made compositions get here; packages and studio refuse it.
        return at * natural / scene.duration
    if at <= intro:
        return at
    if at >= scene.duration - outro:
        return natural - (scene.duration - at)
    middle = scene.duration - intro - outro
    return intro + (at - intro) * (natural - intro - outro) / middle


class Timeline:
    """Draws any frame of a composition at the output's size (a ``FrameSource``).

    ``load`` makes the drawable of a scene instance; it is called when a scene is first seen, and
    again only after several others were.
    """

    def __init__(
        self,
        composition: Composition,
        width: int,
        height: int,
        load: Callable[[SceneInstance], Drawable],
        *,
        marked: bool = False,
    ) -> None:
        self.composition = composition
        self.width = width
        self.height = height
        self.fps = composition.fps
        self.total_frames = total_frames(composition)
        self._placements = placements(composition)
        self._load = load
        self._loaded: OrderedDict[int, Drawable] = OrderedDict()
        self._marked = marked
        self._scratch: Pixels | None = None
        self._ground = parse_color(composition.colors.get(BACKGROUND_COLOR))

    def draw(self, pixels: Pixels, frame: int) -> None:
        """See ``FrameSource``."""
        canvas = self._canvas(pixels)
        scene = self._alone(frame)
        ground = -1 if scene is None else self._hidden(scene, frame)
        if ground < 0:
            canvas.clear(self._ground | 0xFF000000)
        self.paint(canvas, frame, max(ground, 0))

    def redraw(self, pixels: Pixels, frame: int, held: int) -> list[Box] | None:
        """See ``ChangingSource``."""
        scene = self._alone(frame)
        if scene is None or scene != self._alone(held):
            self.draw(pixels, frame)
            return None
        drawable = self._drawable(scene)
        matrix = self._framing(drawable)
        at = self._frame_of(scene, drawable, frame / self.fps)
        region = Region(self.width, self.height)
        drawable.changes(self._frame_of(scene, drawable, held / self.fps), at, matrix, region)
        if region.share > WHOLE:
            self.draw(pixels, frame)
        elif not region.skia.isEmpty():
            # Aside, where drawing touches more than the region, which ``pixels`` hold already.
            target = self._aside() if region.crossed else pixels
            ground = self._hidden(scene, frame)
            self._redraw(self._canvas(target), drawable, at, region, ground)
            if target is not pixels:
                for left, top, right, bottom in region.boxes():
                    pixels[top:bottom, left:right] = target[top:bottom, left:right]
        return region.boxes()

    def _redraw(
        self, canvas: skia.Canvas, drawable: Drawable, frame: float, region: Region, ground: int
    ) -> None:
        if ground < 0:
            canvas.save()
            canvas.clipRegion(region.skia)
            canvas.clear(self._ground | 0xFF000000)
            canvas.restore()
        canvas.save()
        canvas.concat(self._framing(drawable))
        drawable.redraw(canvas, frame, region, max(ground, 0))
        canvas.restore()
        canvas.clipRegion(region.skia)
        self._mark(canvas)

    def _hidden(self, scene: int, frame: int) -> int:
        """Return the part of a scene that shows alone, below which nothing shows, or -1."""
        drawable = self._drawable(scene)
        surface = skia.IRect.MakeWH(self.width, self.height)
        at = self._frame_of(scene, drawable, frame / self.fps)
        return drawable.ground(at, self._framing(drawable), surface)

    def _aside(self) -> Pixels:
        if self._scratch is None:
            self._scratch = np.zeros((self.height, self.width, 4), np.uint8)
        return self._scratch

    def _canvas(self, pixels: Pixels) -> skia.Canvas:
        surface = skia.Surface.MakeRasterDirect(
            skia.ImageInfo.Make(
                self.width, self.height, skia.kBGRA_8888_ColorType, skia.kPremul_AlphaType
            ),
            pixels,
        )
        if surface is None or pixels.shape != (self.height, self.width, 4):
            raise ValueError(f"pixels {pixels.shape} for {self.width}x{self.height}")
        return surface.getCanvas()

    def _alone(self, frame: int) -> int | None:
        """Return the scene that shows at a frame, or ``None`` during a transition."""
        at = frame / self.fps
        index = self.scene_at(at)
        place = self._placements[index]
        return None if index and at < place.start + place.overlap else index

    def paint(self, canvas: skia.Canvas, frame: int, first: int = 0) -> None:
        """Draw ``frame`` on a canvas of the output's size.

        ``first`` parts of a scene that shows alone are left out: they are hidden.
        """
        at = frame / self.fps
        index = self.scene_at(at)
        place = self._placements[index]
        count = canvas.save()
        if index and at < place.start + place.overlap:
            scene = self.composition.scenes[index]
            transition = scene.transition
            stage = Stage(
                canvas=canvas,
                width=self.width,
                height=self.height,
                before=lambda c: self._scene(c, index - 1, at),
                after=lambda c: self._scene(c, index, at),
                vector=vector_of(transition.direction, self.composition.direction),
                color=parse_color(self._named(transition.color)),
            )
            progress = (at - place.start) / place.overlap
            draw_transition(stage, transition.kind, progress)
        else:
            self._scene(canvas, index, at, first)
        canvas.restoreToCount(count)
        self._mark(canvas)

    def _named(self, color: str | None) -> str | None:
        """Return a color that may be the key of a shared one; None where there is no such."""
        return color if not color or color.startswith("#") else self.composition.colors.get(color)

    def _mark(self, canvas: skia.Canvas) -> None:
        if self._marked:
            canvas.drawImage(watermark(self.width, self.height), 0, 0)

    def scene_at(self, at: float) -> int:
        """Return the latest scene that has begun at ``at`` seconds."""
        # Half a microsecond: start times are sums of floats, frame times quotients.
        begun = [p.index for p in self._placements if p.start <= at + 5e-7]
        return begun[-1] if begun else 0

    def place(self, index: int) -> Placement:
        """Return where a scene lies."""
        return self._placements[index]

    def _drawable(self, index: int) -> Drawable:
        found = self._loaded.get(index)
        if found is None:
            found = self._loaded[index] = self._load(self.composition.scenes[index])
            if len(self._loaded) > _KEPT:
                self._loaded.popitem(last=False)
        else:
            self._loaded.move_to_end(index)
        return found

    def _scene(self, canvas: skia.Canvas, index: int, at: float, first: int = 0) -> None:
        """Draw one scene whole, whatever else shows; its time is where the video stands."""
        drawable = self._drawable(index)
        canvas.save()
        canvas.clipRect(skia.Rect.MakeWH(self.width, self.height))
        canvas.concat(self._framing(drawable))
        drawable.draw(canvas, self._frame_of(index, drawable, at), first)
        canvas.restore()

    def _frame_of(self, index: int, drawable: Drawable, at: float) -> float:
        """Return the frame of a scene's animation at a time of the video."""
        natural = (drawable.out_frame - drawable.in_frame) / drawable.fps
        seconds = scene_time(
            at - self._placements[index].start, self.composition.scenes[index], natural
        )
        # The out point itself shows nothing any more (Lottie: layers end before ``op``).
        last = drawable.out_frame - 1e-3
        return min(drawable.in_frame + seconds * drawable.fps, last)

    def _framing(self, drawable: Drawable) -> skia.Matrix:
        """Return the matrix from a scene to the output."""
        # Another aspect than the output's fills it and is cropped; never bars.
        scale = max(self.width / drawable.width, self.height / drawable.height)
        return skia.Matrix.MakeAll(
            scale, 0, (self.width - drawable.width * scale) / 2,
            0, scale, (self.height - drawable.height * scale) / 2,
            0, 0, 1,
        )  # fmt: skip

    def close(self) -> None:
        """See ``FrameSource``."""
        self._loaded.clear()
        self._scratch = None
