"""A composition over time: which scenes show at an instant, how far each has played.

Owns time mapping, transitions, framing to the output's size and the watermark. A scene is an
animation that can be drawn at any (fractional) frame; this module never looks inside one.
"""

from collections import OrderedDict
from collections.abc import Callable
from typing import Protocol

import skia

from flatrender.template.composition import Composition, SceneInstance
from flatrender.template.timing import Placement, placements, total_frames
from flatrender_render.engines import Pixels
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

    def draw(self, canvas: skia.Canvas, frame: float) -> None:
        """Draw a frame at the animation's own size."""
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
        self._ground = parse_color(composition.colors.get(BACKGROUND_COLOR))

    def draw(self, pixels: Pixels, frame: int) -> None:
        """See ``FrameSource``."""
        surface = skia.Surface.MakeRasterDirect(
            skia.ImageInfo.Make(
                self.width, self.height, skia.kBGRA_8888_ColorType, skia.kPremul_AlphaType
            ),
            pixels,
        )
        if surface is None or pixels.shape != (self.height, self.width, 4):
            raise ValueError(f"pixels {pixels.shape} for {self.width}x{self.height}")
        canvas = surface.getCanvas()
        canvas.clear(self._ground | 0xFF000000)
        self.paint(canvas, frame)

    def paint(self, canvas: skia.Canvas, frame: int) -> None:
        """Draw ``frame`` on a canvas of the output's size."""
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
                color=parse_color(transition.color),
            )
            progress = (at - place.start) / place.overlap
            draw_transition(stage, transition.kind, progress)
        else:
            self._scene(canvas, index, at)
        canvas.restoreToCount(count)
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

    def _scene(self, canvas: skia.Canvas, index: int, at: float) -> None:
        """Draw one scene whole, whatever else shows; its time is where the video stands."""
        scene = self.composition.scenes[index]
        drawable = self._drawable(index)
        natural = (drawable.out_frame - drawable.in_frame) / drawable.fps
        seconds = scene_time(at - self._placements[index].start, scene, natural)
        # The out point itself shows nothing any more (Lottie: layers end before ``op``).
        last = drawable.out_frame - 1e-3
        frame = min(drawable.in_frame + seconds * drawable.fps, last)
        # Another aspect than the output's fills it and is cropped; never bars.
        scale = max(self.width / drawable.width, self.height / drawable.height)
        canvas.save()
        canvas.clipRect(skia.Rect.MakeWH(self.width, self.height))
        canvas.translate(
            (self.width - drawable.width * scale) / 2, (self.height - drawable.height * scale) / 2
        )
        canvas.scale(scale, scale)
        drawable.draw(canvas, frame)
        canvas.restore()

    def close(self) -> None:
        """See ``FrameSource``."""
        self._loaded.clear()
