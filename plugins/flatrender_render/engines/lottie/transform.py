"""Transforms of layers, groups and repeater copies (Lottie "Transform").

Order, first applied last: move to position, rotate, skew, scale, move anchor to the origin.
"""

import math

from .geometry import IDENTITY, Matrix
from .properties import Property, Static, Vector, direction_of, position, scalar, vector
from .reader import Obj


def compose(  # noqa: PLR0917 - the six members of a transform, in the format's order
    anchor: Vector,
    at: Vector,
    scale: Vector,
    rotation: float,
    skew: float,
    skew_axis: float,
) -> Matrix:
    """Build the matrix of one transform; angles in degrees, scale in percent."""
    sx, sy = scale[0] / 100.0, scale[1] / 100.0
    if rotation:
        angle = math.radians(rotation)
        cos, sin = math.cos(angle), math.sin(angle)
    else:
        cos, sin = 1.0, 0.0
    a, b, c, d = cos, sin, -sin, cos
    if skew:
        # Shear along the skew axis: rotate the axis onto x, shear, rotate back.
        axis = math.radians(skew_axis)
        shear = math.tan(math.radians(-min(max(skew, -89.9), 89.9)))
        u, v = math.cos(axis), math.sin(axis)
        k11, k12 = 1 - shear * u * v, shear * u * u
        k21, k22 = -shear * v * v, 1 + shear * u * v
        a, b, c, d = (
            a * k11 + c * k21,
            b * k11 + d * k21,
            a * k12 + c * k22,
            b * k12 + d * k22,
        )
    a, b, c, d = a * sx, b * sx, c * sy, d * sy
    ax, ay = anchor[0], anchor[1]
    return (a, b, c, d, at[0] - a * ax - c * ay, at[1] - b * ax - d * ay)


class Transform:
    """An animated transform with its opacity (0..1)."""

    __slots__ = (
        "_matrix",
        "anchor",
        "auto_orient",
        "opacity",
        "position",
        "rotation",
        "scale",
        "skew",
        "skew_axis",
        "static",
    )

    def __init__(self, obj: Obj | None, auto_orient: bool = False) -> None:
        if obj is None:
            self.anchor: Property[Vector] = Static((0.0, 0.0))
            self.position: Property[Vector] = Static((0.0, 0.0))
            self.scale: Property[Vector] = Static((100.0, 100.0))
            self.rotation: Property[float] = Static(0.0)
            self.skew: Property[float] = Static(0.0)
            self.skew_axis: Property[float] = Static(0.0)
            self.opacity: Property[float] = Static(100.0)
        else:
            self.anchor = position(obj, "a")
            self.position = position(obj, "p")
            self.scale = vector(obj, "s", (100.0, 100.0))
            # A 3D layer keeps its turn in the picture plane in rz.
            self.rotation = scalar(obj, "rz" if obj.has("rz") and not obj.has("r") else "r")
            self.skew = scalar(obj, "sk")
            self.skew_axis = scalar(obj, "sa")
            self.opacity = scalar(obj, "o", 100.0)
            report_depth(obj)
        self.auto_orient = auto_orient
        self.static = all(
            part.static
            for part in (
                self.anchor,
                self.position,
                self.scale,
                self.rotation,
                self.skew,
                self.skew_axis,
            )
        )
        self._matrix: tuple[float, Matrix] | None = None

    @property
    def is_identity(self) -> bool:
        """Whether this never moves anything."""
        return self.static and self.matrix(0.0) == IDENTITY

    def matrix(self, frame: float) -> Matrix:
        """Return the matrix at a frame; the last one is remembered (children ask again)."""
        memo = self._matrix
        if memo is not None and (self.static or memo[0] == frame):
            return memo[1]
        rotation = self.rotation.at(frame)
        if self.auto_orient:
            heading = direction_of(self.position, frame)
            if heading is not None:
                rotation += math.degrees(math.atan2(heading[1], heading[0]))
        matrix = compose(
            self.anchor.at(frame),
            self.position.at(frame),
            self.scale.at(frame),
            rotation,
            self.skew.at(frame),
            self.skew_axis.at(frame),
        )
        self._matrix = (frame, matrix)
        return matrix

    def alpha(self, frame: float) -> float:
        """Return the opacity at a frame, 0..1."""
        return min(max(self.opacity.at(frame) / 100.0, 0.0), 1.0)


def report_depth(obj: Obj) -> None:
    """Report turns out of the picture plane, which are not drawn."""
    for key in ("rx", "ry"):
        if obj.has(key):
            prop = scalar(obj, key)
            if not prop.static or prop.at(0.0) != 0.0:
                obj.report("3D rotation")
    if obj.has("or"):
        turn = vector(obj, "or", (0.0, 0.0, 0.0))
        if not turn.static or any(turn.at(0.0)):
            obj.report("3D orientation")
