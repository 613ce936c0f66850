"""The engine's door: an animation that is read once and drawn at any frame."""

from collections.abc import Mapping
from typing import Any

import skia

from .assets import AssetSource
from .builder import Builder, Reading, Sources, check_header
from .changes import Region, compare, settle
from .composition import Composition
from .errors import InvalidLottieError, LottieLimitError, Unsupported
from .limits import Deadline, Limits
from .raster import covers
from .reader import Document, Obj, check_bounds, decode
from .slots import (
    SlotInfo,
    SlotUse,
    Value,
    apply_file_slots,
    describe,
    fill,
    find_uses,
)
from .text import FontBook
from .upgrade import upgrade, version_of

_GRID = 2**24  # steps of a frame


class Animation:
    """A Lottie animation ready to draw. Not for several threads at once.

    ``width`` and ``height`` are pixels, ``fps`` frames per second, ``in_frame`` and ``out_frame``
    the first frame and the one after the last. ``unsupported`` names what the file asks for and is
    not drawn; ``slots`` what a customer can fill.
    """

    width: int
    height: int
    fps: float
    in_frame: float
    out_frame: float
    unsupported: list[Unsupported]
    slots: Mapping[str, SlotInfo]

    def __init__(
        self,
        raw: dict[str, Any],
        uses: list[SlotUse],
        sources: Sources,
        *,
        limits: Limits,
        sibling: "Animation | None" = None,
    ) -> None:
        """Build from a checked and upgraded file; callers use ``parse``."""
        # Parts shared with a sibling watch its deadline, so both watch the same.
        document = Document(limits, sibling._deadline if sibling is not None else None)
        self._deadline: Deadline = document.deadline
        root = Obj(raw, document)
        check_header(root)
        document.version = version_of(raw)
        document.fps = root.num("fr")
        self.width = round(root.num("w"))
        self.height = round(root.num("h"))
        self.fps = document.fps
        self.in_frame = root.num("ip")
        self.out_frame = root.num("op")
        self.slots = describe(raw, uses)
        builder = Builder(root, sources, sibling._builder if sibling is not None else None)
        try:
            self._composition: Composition = builder.build()
        except RecursionError:
            raise LottieLimitError("nested too deep") from None
        self._raw = raw
        self._uses = uses
        self._sources = sources
        self._limits = limits
        self._builder: Builder = builder
        for use in uses:
            if use.kind is None:
                document.report(f"slot {use.sid!r} on a property of several numbers", root)
        self.unsupported = document.unsupported
        self._clip = skia.Rect.MakeWH(self.width, self.height)

    @classmethod
    def parse(
        cls,
        data: bytes | Mapping[str, Any],
        *,
        assets: AssetSource | None = None,
        fonts: FontBook | None = None,
        limits: Limits = Limits(),  # noqa: B008 - frozen
        direction: Reading = "ltr",
    ) -> "Animation":
        """Read a file. Raises subclasses of ``LottieError`` and nothing else.

        ``fonts`` are looked up for text (``None``: the bundled ones); ``direction`` is that of
        paragraphs without strong letters.
        """
        raw = dict(data) if isinstance(data, Mapping) else decode(data, limits)
        check_bounds(raw, limits)
        raw = upgrade(raw)
        uses = find_uses(raw)
        raw = apply_file_slots(raw, uses)
        if "slots" in raw:  # their values may be anything
            check_bounds(raw, limits)
        sources = Sources(assets, fonts if fonts is not None else FontBook(), direction)
        return cls(raw, uses, sources, limits=limits)

    def with_slots(self, values: Mapping[str, Value]) -> "Animation":
        """Return the animation with values filled in; what they do not touch is shared.

        Raises ``LottieSlotError`` for unknown ids and wrong kinds, ``LottieAssetError`` and
        ``LottieLimitError`` for pictures.
        """
        raw, images = fill(self._raw, self._uses, values, self._sources.assets)
        held = self._sources
        sources = Sources(held.assets, held.fonts, held.direction, {**held.images, **images})
        made = Animation(raw, self._uses, sources, limits=self._limits, sibling=self)
        made.unsupported = list(dict.fromkeys([*self.unsupported, *made.unsupported]))
        return made

    def draw(self, canvas: skia.Canvas, frame: float, first: int = 0) -> None:
        """Draw a frame at the animation's own size; scale the canvas for another.

        ``first`` is where ``ground`` says that drawing may begin. Raises ``LottieLimitError`` for
        a frame that takes longer than the limits allow.
        """
        self._draw(canvas, frame, first, None)

    def redraw(self, canvas: skia.Canvas, frame: float, region: Region, first: int = 0) -> None:
        """Draw the pixels of ``region``, which ``changes`` gave for this frame and this matrix.

        Others may be drawn on as well where the region is ``crossed``. Raises
        ``LottieLimitError``.
        """
        self._draw(canvas, frame, first, region.skia)

    def ground(self, frame: float, matrix: skia.Matrix, surface: skia.IRect) -> int:
        """Return what hides everything below it, for ``draw``, or -1 if something may show.

        ``matrix`` leads from the animation to the surface, which must be the canvas itself: a
        layer in between would have to begin empty. Raises ``LottieLimitError``.
        """
        self._deadline.start()
        if not covers(matrix, self._clip, surface):
            return -1
        try:
            return self._composition.ground(_on_grid(frame), matrix, surface)
        except RecursionError:
            raise LottieLimitError("nested too deep") from None

    def changes(self, before: float, after: float, matrix: skia.Matrix, region: Region) -> None:
        """Add to ``region`` all pixels that may differ between two frames.

        ``matrix`` leads from the animation to the surface. Raises ``LottieLimitError``.
        """
        before, after = _on_grid(before), _on_grid(after)
        self._deadline.start()
        try:
            compare(self._composition, before, after, matrix, region)
            settle(self._composition, after, matrix, region)
        except RecursionError:
            raise LottieLimitError("nested too deep") from None

    def _draw(
        self, canvas: skia.Canvas, frame: float, first: int, region: skia.Region | None
    ) -> None:
        frame = _on_grid(frame)
        self._deadline.start()
        count = canvas.save()
        try:
            canvas.clipRect(self._clip)
            self._composition.draw(canvas, frame, region=region, first=first)
        except RecursionError:
            raise LottieLimitError("nested too deep") from None
        finally:
            canvas.restoreToCount(count)


def _on_grid(frame: float) -> float:
    """Round a frame to 2**-24, so that whole offsets between compositions lose nothing of it.

    Otherwise a change might be reached within a composition and not yet for the layer showing it.
    """
    if not -1e7 < frame < 1e7:
        raise InvalidLottieError(f"there is no frame {frame}")
    return round(frame * _GRID) / _GRID
