"""The tree of shape items and how one frame of it becomes a list of drawings.

Lottie "Shape Layer", "Group", "Repeater". In a list, paths and modifiers work from first to last;
what is drawn is stacked with the first on top. A style paints all outlines above it in its group,
those of nested groups included; a modifier changes them, also for styles of nested groups, so
outlines are held in shared ``Ref`` cells until everything has been evaluated.
"""

import math
from collections.abc import Iterator, Sequence
from typing import ClassVar

import skia

from flatrender_render.engines.lottie.blend import NORMAL, blend_mode
from flatrender_render.engines.lottie.cover import Mark
from flatrender_render.engines.lottie.geometry import (
    IDENTITY,
    Matrix,
    invert,
    multiply,
    rotate,
    to_skia,
    translate,
)
from flatrender_render.engines.lottie.modifiers import MODIFIERS, MergePaths, Modifier
from flatrender_render.engines.lottie.outline import EMPTY, Outline
from flatrender_render.engines.lottie.properties import scalar
from flatrender_render.engines.lottie.reader import Obj
from flatrender_render.engines.lottie.transform import Transform

from .primitives import Primitive, parse_primitive
from .styles import Style, parse_style

# How far inside its outline a rectangle with round corners may begin, in units of its space.
_INSETS = (0.01, 2.0, 4.0, 8.0, 16.0, 32.0, 64.0)


class Ref:
    """A cell that holds an outline while modifiers still may replace it."""

    __slots__ = ("outline",)

    def __init__(self, outline: Outline) -> None:
        self.outline = outline


Entry = tuple[Ref, Matrix]


class Draw:
    """One style painting some outlines, in the space of the style's group."""

    __slots__ = ("entries", "style")
    weight: ClassVar[int] = 1

    def __init__(self, style: Style, entries: list[Entry]) -> None:
        self.style = style
        self.entries = entries

    def copy(self, refs: dict[Ref, Ref]) -> "Draw":
        """Return the same drawing of other cells."""
        return Draw(self.style, [(refs.get(r, r), m) for r, m in self.entries])

    def path(self) -> skia.Path:
        """Return all outlines as one path with the style's fill rule."""
        even_odd = self.style.even_odd
        if len(self.entries) == 1 and self.entries[0][1] == IDENTITY:
            outline = self.entries[0][0].outline
            return outline.even_odd if even_odd else outline.path
        path = skia.Path()
        for ref, matrix in self.entries:
            if ref.outline is EMPTY:
                continue
            if matrix == IDENTITY:
                path.addPath(ref.outline.path)
            else:
                path.addPath(ref.outline.path, to_skia(matrix))
        if even_odd:
            path.setFillType(skia.PathFillType.kEvenOdd)
        return path

    def paint(self, canvas: skia.Canvas, frame: float, alpha: float) -> None:
        """Draw."""
        if self.entries:
            self.style.draw(canvas, self.path(), frame, alpha)

    def core(self, frame: float) -> skia.Rect | None:
        """Return a rectangle that is painted opaque all over, in the style's space, if known."""
        path = self.path()
        if not self.style.opaque(frame) or not path.isConvex():
            return None
        box = path.getBounds()
        for inset in _INSETS:
            inner = box.makeInset(inset, inset)
            corners = [
                (x, y) for x in (inner.left(), inner.right()) for y in (inner.top(), inner.bottom())
            ]
            if not inner.isEmpty() and all(path.contains(x, y) for x, y in corners):
                return inner  # with its corners, all of it lies in a convex outline
        return None

    def marks(self, frame: float, matrix: Matrix) -> Iterator[Mark]:
        """Yield what is painted where; ``matrix`` leads from the style's space."""
        if self.entries:
            out = self.style.outset(frame) + 1.0
            yield Mark(self.path(), matrix, out, self.style.stroke)

    def bounds(self, frame: float) -> skia.Rect:
        """Return what may be painted, in the style's space."""
        rect = skia.Rect.MakeEmpty()
        out = self.style.outset(frame) + 1.0
        for ref, matrix in self.entries:
            if ref.outline is EMPTY:
                continue
            box = ref.outline.path.getBounds()
            if matrix != IDENTITY:
                box = to_skia(matrix).mapRect(box)
            # Outset first: Skia calls a straight line's box empty and drops it from unions.
            rect.join(box.makeOutset(out, out))
        return rect


class DrawGroup:
    """The drawings of one group, moved, faded and blended together."""

    __slots__ = ("_box", "alpha", "blend", "children", "matrix", "weight")

    def __init__(
        self,
        children: "list[Draw | DrawGroup]",
        matrix: Matrix,
        alpha: float = 1.0,
        blend: skia.BlendMode = NORMAL,
    ) -> None:
        self.children = children
        self.matrix = matrix
        self.alpha = alpha
        self.blend = blend
        self.weight: int = sum(c.weight for c in children)
        self._box: tuple[float, skia.Rect] | None = None

    def copy(self, refs: dict[Ref, Ref]) -> "DrawGroup":
        """Return the same drawings of other cells."""
        children = [c.copy(refs) for c in self.children]
        return DrawGroup(children, self.matrix, self.alpha, self.blend)

    def paint(self, canvas: skia.Canvas, frame: float, alpha: float) -> None:
        """Draw; several drawings that fade or blend as one go through a layer."""
        alpha *= self.alpha
        if alpha <= 0.0:
            return
        count = canvas.save()
        if self.matrix != IDENTITY:
            canvas.concat(to_skia(self.matrix))
        if self.blend != NORMAL or (alpha < 1.0 and self.weight > 1):
            paint = skia.Paint(Alphaf=alpha, BlendMode=self.blend)
            canvas.saveLayer(self._inside(frame), paint)
            alpha = 1.0
        paint_all(self.children, canvas, frame, alpha)
        canvas.restoreToCount(count)

    def core(self, frame: float) -> skia.Rect | None:
        """As ``Draw.core``, in the space around the group."""
        matrix = to_skia(self.matrix)
        if self.alpha < 1.0 or self.blend != NORMAL or not matrix.preservesAxisAlignment():
            return None
        inner = core_of(self.children, frame)
        return None if inner is None else matrix.mapRect(inner)

    def marks(self, frame: float, matrix: Matrix) -> Iterator[Mark]:
        """As ``Draw.marks``; ``matrix`` leads from the space around the group."""
        inner = multiply(matrix, self.matrix)
        for child in self.children:
            yield from child.marks(frame, inner)

    def bounds(self, frame: float) -> skia.Rect:
        """Return what may be painted, in the space around the group."""
        return to_skia(self.matrix).mapRect(self._inside(frame))

    def _inside(self, frame: float) -> skia.Rect:
        """Return a box around the children. Asked for at every level above, so remembered."""
        memo = self._box
        if memo is None or memo[0] != frame:
            memo = self._box = (frame, union_bounds(self.children, frame))
        return memo[1]


Drawing = Draw | DrawGroup


def paint_all(drawings: Sequence[Drawing], canvas: skia.Canvas, frame: float, alpha: float) -> None:
    """Paint a list whose first member is on top."""
    for drawing in reversed(drawings):
        drawing.paint(canvas, frame, alpha)


def union_bounds(drawings: Sequence[Drawing], frame: float) -> skia.Rect:
    """Return a box around several drawings."""
    rect = skia.Rect.MakeEmpty()
    for drawing in drawings:
        rect.join(drawing.bounds(frame))
    return rect


def core_of(drawings: Sequence[Drawing], frame: float) -> skia.Rect | None:
    """Return the largest rectangle that one of several drawings paints opaque all over."""
    found = [core for core in (drawing.core(frame) for drawing in drawings) if core is not None]
    return max(found, key=lambda core: core.width() * core.height(), default=None)


class Repeater:
    """Copies all that stands above it in its group (Lottie "Repeater", ``rp``)."""

    def __init__(self, obj: Obj) -> None:
        transform = obj.child("tr")
        self.copies = scalar(obj, "c", 1.0)
        self.offset = scalar(obj, "o")
        # 1 puts later copies below the first, 2 above.
        self.above = obj.int("m", 1) == 2
        self.transform = Transform(transform)
        self.start = scalar(transform or obj, "so", 100.0)
        self.end = scalar(transform or obj, "eo", 100.0)
        self.limits = obj.doc.limits
        parts = (self.copies, self.offset, self.start, self.end)
        self.static = self.transform.static and all(p.static for p in parts)

    def matrix(self, step: float, frame: float) -> Matrix:
        """Return the transform of a copy: position and turn times step, scale to its power."""
        t = self.transform
        ax, ay = t.anchor.at(frame)[:2]
        px, py = t.position.at(frame)[:2]
        sx, sy = t.scale.at(frame)[:2]
        kx, ky = _power(sx / 100.0, step), _power(sy / 100.0, step)
        turned = multiply(
            translate(px * step + ax, py * step + ay), rotate(t.rotation.at(frame) * step)
        )
        return multiply(multiply(turned, (kx, 0.0, 0.0, ky, 0.0, 0.0)), translate(-ax, -ay))

    def expand(
        self, entries: list[Entry], drawings: list[Drawing], frame: float, shared: bool
    ) -> tuple[list[Entry], list[Drawing]]:
        """Return the entries and drawings of all copies."""
        load = max(len(entries) + sum(d.weight for d in drawings), 1)
        count = int(-(-self.copies.at(frame) // 1))
        count = min(max(count, 0), self.limits.repeater_copies, self.limits.draws // load)
        offset = self.offset.at(frame)
        start, end = self.start.at(frame) / 100.0, self.end.at(frame) / 100.0
        new_entries: list[Entry] = []
        groups: list[Drawing] = []
        for index in range(count):
            matrix = self.matrix(index + offset, frame)
            part = index / (count - 1) if count > 1 else 0.0
            alpha = min(max(start + (end - start) * part, 0.0), 1.0)
            if shared:
                copies, children = entries, drawings
            else:
                refs = {ref: Ref(ref.outline) for ref, _ in entries}
                copies = [(refs[ref], m) for ref, m in entries]
                children = [d.copy(refs) for d in drawings]
            new_entries += [(ref, multiply(matrix, m)) for ref, m in copies]
            if children:
                groups.append(DrawGroup(children, matrix, alpha))
        return new_entries, groups[::-1] if self.above else groups


def _power(base: float, exponent: float) -> float:
    """Raise a scale to a step; mirrored scales alternate at whole steps. Bounded for Skia."""
    if base == 0.0:
        return 1.0 if exponent == 0 else 0.0
    try:
        value = math.pow(abs(base), exponent)
    except OverflowError:
        value = 1e6
    value = min(value, 1e6)
    return -value if base < 0 and round(exponent) % 2 else value


class Group:
    """A list of items with a transform; the layer's own list is one as well."""

    def __init__(self, obj: Obj, key: str, *, modified_later: bool) -> None:
        self.items: list[Primitive | Modifier | Style | Repeater | Group] = []
        self.transform = Transform(None)
        self.blend = blend_mode(obj) if key == "it" else NORMAL
        items = list(obj.objects(key))
        obj.doc.count("shape items", len(items), obj.doc.limits.shapes, obj)
        later = modified_later
        # From last to first, so that each knows whether a modifier still follows.
        for item in reversed(items):
            if item.flag("hd"):
                continue
            kind = item.text("ty")
            if kind in {"rc", "el", "sr", "sh"}:
                self.items.append(parse_primitive(item, kind))
            elif kind in {"fl", "st", "gf", "gs"}:
                self.items.append(parse_style(item, kind))
            elif kind == "gr":
                self.items.append(Group(item, "it", modified_later=later))
            elif kind == "tr":
                self.transform = Transform(item)
            elif kind == "rp":
                self.items.append(Repeater(item))
            elif kind in MODIFIERS:
                self.items.append(MODIFIERS[kind](item))
                later = True
            else:
                item.report(f"shape {kind!r}" if kind else "shape without a type")
        self.items.reverse()
        groups = [i for i in self.items if isinstance(i, Group)]
        self.count: int = len(self.items) + sum(g.count for g in groups)
        self.gradients: bool = any(
            i.gradient is not None for i in self.items if isinstance(i, Style)
        ) or any(g.gradients for g in groups)
        self.lines: bool = any(i.stroke for i in self.items if isinstance(i, Style)) or any(
            g.lines for g in groups
        )
        self.modified_later = modified_later
        self.deadline = obj.doc.deadline
        self.inner_later = later
        self.static: bool = all(i.static for i in self.items) and (
            key != "it" or (self.transform.static and self.transform.opacity.static)
        )
        self._cache: tuple[list[Entry], list[Drawing]] | None = None

    def evaluate(self, frame: float) -> tuple[list[Entry], list[Drawing]]:
        """Return the outlines (in this group's space) and drawings of a frame."""
        if self._cache is not None:
            return self._cache
        entries: list[Entry] = []
        drawings: list[Drawing] = []
        for item in self.items:
            self.deadline.check()
            if isinstance(item, Primitive):
                entries.append((Ref(item.at(frame)), IDENTITY))
            elif isinstance(item, Style):
                drawings.append(Draw(item, list(entries)))
            elif isinstance(item, Group):
                inner, painted = item.evaluate(frame)
                matrix = item.transform.matrix(frame)
                entries += [(ref, multiply(matrix, m)) for ref, m in inner]
                if painted:
                    alpha = item.transform.alpha(frame)
                    drawings.append(DrawGroup(painted, matrix, alpha, item.blend))
            elif isinstance(item, Repeater):
                entries, drawings = item.expand(
                    entries, drawings, frame, shared=not self.inner_later
                )
            else:
                entries = _modify(item, entries, frame)
        if self.static and not self.modified_later:
            self._cache = (entries, drawings)
        return entries, drawings


def _modify(modifier: Modifier, entries: list[Entry], frame: float) -> list[Entry]:
    """Apply a modifier in the space of its own group."""
    if not entries:
        return entries
    before = [ref.outline.transformed(matrix) for ref, matrix in entries]
    after = modifier.apply(before, frame)
    if isinstance(modifier, MergePaths):
        return [(Ref(after[0]), IDENTITY)]
    for (ref, matrix), old, new in zip(entries, before, after, strict=True):
        if new is old:
            continue
        back = IDENTITY if matrix == IDENTITY else invert(matrix)
        ref.outline = new.transformed(back) if back is not None else EMPTY
    return entries
