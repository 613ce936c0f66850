"""A set of contours on its way from a stored shape through modifiers to a Skia path.

An ``Outline`` never changes. It holds Bezier contours, a Skia path, or both; each is made from the
other when first asked for, so that untouched static shapes cost nothing per frame.
"""

import math
from collections.abc import Iterable

import skia

from .bezier import Bezier, Cubic
from .geometry import IDENTITY, Matrix, to_skia


class Outline:
    """Immutable contours; identity of the object is identity of the shape (for caches)."""

    __slots__ = ("_contours", "_even_odd", "_path")

    def __init__(
        self, contours: tuple[Bezier, ...] | None = None, path: skia.Path | None = None
    ) -> None:
        self._contours = contours
        self._path = path
        self._even_odd: skia.Path | None = None

    @property
    def path(self) -> skia.Path:
        """The Skia path, nonzero winding. Callers must not change it."""
        if self._path is None:
            path = skia.Path()
            for contour in self._contours or ():
                add_contour(path, contour)
            self._path = path
        return self._path

    @property
    def even_odd(self) -> skia.Path:
        """The same path with the even-odd rule."""
        if self._even_odd is None:
            path = skia.Path(self.path)
            path.setFillType(skia.PathFillType.kEvenOdd)
            self._even_odd = path
        return self._even_odd

    @property
    def contours(self) -> tuple[Bezier, ...]:
        """The Bezier contours."""
        if self._contours is None:
            self._contours = tuple(contours_of(self.path))
        return self._contours

    def transformed(self, matrix: Matrix) -> "Outline":
        """Return the outline seen through a matrix."""
        if matrix == IDENTITY:
            return self
        path = skia.Path()
        self.path.transform(to_skia(matrix), path)
        if self._contours is None:
            return Outline(path=path)
        return Outline(tuple(transform_contour(c, matrix) for c in self._contours), path)


EMPTY = Outline(())


def transform_contour(contour: Bezier, m: Matrix) -> Bezier:
    """Map a contour; tangents are relative and take no translation."""
    a, b, c, d, e, f = m
    out: list[float] = []
    data = contour.data
    for n in range(0, len(data), 6):
        x, y, ix, iy, ox, oy = data[n : n + 6]
        out += (
            a * x + c * y + e,
            b * x + d * y + f,
            a * ix + c * iy,
            b * ix + d * iy,
            a * ox + c * oy,
            b * ox + d * oy,
        )
    return Bezier(tuple(out), contour.closed)


def add_contour(path: skia.Path, contour: Bezier) -> None:
    """Append a contour; straight segments become lines, which Skia joins and fills faster."""
    data = contour.data
    if not data:
        return
    x0, y0 = data[0], data[1]
    path.moveTo(x0, y0)
    last_x, last_y, out_x, out_y = x0, y0, data[4], data[5]
    for n in range(6, len(data), 6):
        x, y, ix, iy, ox, oy = data[n : n + 6]
        if out_x == 0 and out_y == 0 and ix == 0 and iy == 0:
            path.lineTo(x, y)
        else:
            path.cubicTo(last_x + out_x, last_y + out_y, x + ix, y + iy, x, y)
        last_x, last_y, out_x, out_y = x, y, ox, oy
    if contour.closed:
        ix, iy = data[2], data[3]
        if out_x or out_y or ix or iy:
            path.cubicTo(last_x + out_x, last_y + out_y, x0 + ix, y0 + iy, x0, y0)
        path.close()


def segments(contour: Bezier) -> list[Cubic]:
    """Return the cubic segments of a contour, with the closing one."""
    data = contour.data
    count = len(data) // 6
    out: list[Cubic] = []
    for index in range(count if contour.closed else count - 1):
        a = index * 6
        b = ((index + 1) % count) * 6
        x0, y0, x3, y3 = data[a], data[a + 1], data[b], data[b + 1]
        out.append(
            (
                (x0, y0),
                (x0 + data[a + 4], y0 + data[a + 5]),
                (x3 + data[b + 2], y3 + data[b + 3]),
                (x3, y3),
            )
        )
    return out


def from_segments(parts: Iterable[Cubic], closed: bool) -> Bezier:
    """Join consecutive cubics to a contour; a gap is bridged by a straight line."""
    vertices: list[list[float]] = []
    for p0, p1, p2, p3 in parts:
        if vertices and math.dist(vertices[-1][:2], p0) < 1e-4:
            vertices[-1][4:] = [p1[0] - p0[0], p1[1] - p0[1]]
        else:
            vertices.append([*p0, 0.0, 0.0, p1[0] - p0[0], p1[1] - p0[1]])
        vertices.append([*p3, p2[0] - p3[0], p2[1] - p3[1], 0.0, 0.0])
    if closed and len(vertices) > 1 and math.dist(vertices[0][:2], vertices[-1][:2]) < 1e-4:
        last = vertices.pop()
        vertices[0][2:4] = last[2:4]
    return Bezier(tuple(v for vertex in vertices for v in vertex), closed)


def contours_of(path: skia.Path) -> list[Bezier]:
    """Read a Skia path back into contours (after Boolean operations or trimming)."""
    found: list[Bezier] = []
    current: list[Cubic] = []
    start = (0.0, 0.0)
    closed = False

    def finish() -> None:
        if current:
            found.append(from_segments(current, closed))
        current.clear()

    for verb, points in skia.Path.Iter(path, False):
        pts = [(p.x(), p.y()) for p in points]
        if verb == skia.Path.kMove_Verb:
            finish()
            closed = False
            start = pts[0]
        elif verb == skia.Path.kLine_Verb:
            current.append((pts[0], pts[0], pts[1], pts[1]))
        elif verb in {skia.Path.kQuad_Verb, skia.Path.kConic_Verb}:
            (ax, ay), (bx, by), (cx, cy) = pts[0], pts[1], pts[2]
            # Conics appear only in arcs that Skia itself makes: near enough as quadratics.
            current.append(
                (
                    (ax, ay),
                    (ax + (bx - ax) * 2 / 3, ay + (by - ay) * 2 / 3),
                    (cx + (bx - cx) * 2 / 3, cy + (by - cy) * 2 / 3),
                    (cx, cy),
                )
            )
        elif verb == skia.Path.kCubic_Verb:
            current.append((pts[0], pts[1], pts[2], pts[3]))
        elif verb == skia.Path.kClose_Verb:
            closed = True
            if current and math.dist(current[-1][3], start) > 1e-4:
                last = current[-1][3]
                current.append((last, last, start, start))
            finish()
    finish()
    return found
