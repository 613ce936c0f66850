"""The content of a shape layer: what the layer draws in its own space."""

from functools import cached_property

import skia

from flatrender_render.engines.lottie.cover import Mark
from flatrender_render.engines.lottie.geometry import IDENTITY
from flatrender_render.engines.lottie.reader import Obj

from .tree import Drawing, Group, core_of, paint_all, union_bounds

MANY_ITEMS = 30  # from here on a still picture is cheaper to draw than the items


class ShapeContent:
    """All shapes of one layer. A static one is recorded once and played back."""

    def __init__(self, layer: Obj) -> None:
        self.root = Group(layer, "shapes", modified_later=False)
        self.static = self.root.static
        self.lined = self.root.lines
        self.heavy = self.root.gradients or self.root.count > MANY_ITEMS
        self._picture: skia.Picture | None = None
        self._bounds: skia.Rect | None = None
        # Of the latest frame: its bounds are asked for, then it is drawn.
        self._latest: tuple[float, list[Drawing]] | None = None

    def draw(self, canvas: skia.Canvas, frame: float, alpha: float) -> None:
        """Draw at a frame of the layer's composition."""
        if self.static and alpha >= 1.0:
            if self._picture is None:
                recorder = skia.PictureRecorder()
                box = self.bounds(frame)
                recording = recorder.beginRecording(box)
                paint_all(self._drawings(frame), recording, frame, 1.0)
                self._picture = recorder.finishRecordingAsPicture()
            canvas.drawPicture(self._picture)
            return
        drawings = self._drawings(frame)
        if alpha < 1.0 and sum(d.weight for d in drawings) > 1:
            count = canvas.saveLayer(union_bounds(drawings, frame), skia.Paint(Alphaf=alpha))
            self.draw(canvas, frame, 1.0)
            canvas.restoreToCount(count)
            return
        paint_all(drawings, canvas, frame, alpha)

    def bounds(self, frame: float) -> skia.Rect:
        """Return a box around what is drawn."""
        if self.static and self._bounds is not None:
            return self._bounds
        box = union_bounds(self._drawings(frame), frame)
        if self.static:
            self._bounds = box
        return box

    def marks(self, frame: float) -> list[Mark]:
        """Return what is painted where, in the layer's space."""
        return [mark for d in self._drawings(frame) for mark in d.marks(frame, IDENTITY)]

    def _drawings(self, frame: float) -> list[Drawing]:
        if self._latest is None or self._latest[0] != frame:
            self._latest = (frame, self.root.evaluate(frame)[1])
        return self._latest[1]

    @cached_property
    def core(self) -> skia.Rect | None:
        """A rectangle that is opaque all over at every frame, if one is known."""
        return core_of(self._drawings(0.0), 0.0) if self.static else None
