"""Affine matrices of the plane as plain tuples.

A matrix ``(a, b, c, d, e, f)`` maps ``x' = a x + c y + e``, ``y' = b x + d y + f`` (the order of
CSS and SVG). Tuples are several times cheaper to make and multiply than Skia's objects.
"""

import math

import skia

Matrix = tuple[float, float, float, float, float, float]
Box = tuple[float, float, float, float]

IDENTITY: Matrix = (1.0, 0.0, 0.0, 1.0, 0.0, 0.0)


def multiply(m: Matrix, n: Matrix) -> Matrix:
    """Return the matrix that applies ``n`` first and then ``m``."""
    a, b, c, d, e, f = m
    g, h, i, j, k, o = n
    return (
        a * g + c * h,
        b * g + d * h,
        a * i + c * j,
        b * i + d * j,
        a * k + c * o + e,
        b * k + d * o + f,
    )


def invert(m: Matrix) -> Matrix | None:
    """Return the inverse, or ``None`` for a matrix that flattens the plane."""
    a, b, c, d, e, f = m
    det = a * d - b * c
    if abs(det) < 1e-12:
        return None
    return (
        d / det,
        -b / det,
        -c / det,
        a / det,
        (c * f - d * e) / det,
        (b * e - a * f) / det,
    )


def translate(x: float, y: float) -> Matrix:
    """Return a translation."""
    return (1.0, 0.0, 0.0, 1.0, x, y)


def rotate(degrees: float) -> Matrix:
    """Return a rotation, clockwise on screen (y grows downward)."""
    angle = math.radians(degrees)
    c, s = math.cos(angle), math.sin(angle)
    return (c, s, -s, c, 0.0, 0.0)


def scale_of(m: Matrix) -> float:
    """Return the mean enlargement (square root of the area factor)."""
    return math.sqrt(abs(m[0] * m[3] - m[1] * m[2]))


def stretch_of(m: Matrix) -> float:
    """Return the greatest enlargement in any direction (the larger singular value)."""
    a, b, c, d = m[:4]
    return (math.hypot(a + d, b - c) + math.hypot(a - d, b + c)) / 2


def is_similarity(m: Matrix) -> bool:
    """Whether shapes keep their form: circles stay circles."""
    a, b, c, d = m[:4]
    size = max(abs(a), abs(b), abs(c), abs(d))
    return abs(a * c + b * d) < 1e-3 * size * size and (
        abs(a * a + b * b - c * c - d * d) < 1e-3 * size * size
    )


def apply(m: Matrix, x: float, y: float) -> tuple[float, float]:
    """Map one point."""
    return (m[0] * x + m[2] * y + m[4], m[1] * x + m[3] * y + m[5])


def map_box(m: Matrix, box: Box) -> Box:
    """Return the upright box (left, top, right, bottom) around a mapped one."""
    a, b, c, d, e, f = m
    left, top, right, bottom = box
    xs, ys = (a * left, a * right), (c * top, c * bottom)
    us, vs = (b * left, b * right), (d * top, d * bottom)
    return (
        min(xs) + min(ys) + e,
        min(us) + min(vs) + f,
        max(xs) + max(ys) + e,
        max(us) + max(vs) + f,
    )


def to_skia(m: Matrix) -> skia.Matrix:
    """Return Skia's matrix."""
    a, b, c, d, e, f = m
    return skia.Matrix.MakeAll(a, c, e, b, d, f, 0.0, 0.0, 1.0)


def from_skia(m: skia.Matrix) -> Matrix:
    """Return the affine part of Skia's matrix."""
    return (
        m.getScaleX(),
        m.getSkewY(),
        m.getSkewX(),
        m.getScaleY(),
        m.getTranslateX(),
        m.getTranslateY(),
    )
