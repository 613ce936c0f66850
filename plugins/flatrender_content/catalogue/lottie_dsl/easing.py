"""Named easings as the bezier handles of a Lottie keyframe.

Owns the table of curves that motion designers call by name (CSS Easing Functions Level 2,
``cubic-bezier``; the names are Penner's). A curve belongs to the keyframe it arrives at.
"""

from typing import Literal

Ease = Literal[
    "linear",
    "hold",
    "sine_in_out",
    "cubic_in",
    "cubic_out",
    "cubic_in_out",
    "quint_in",
    "quint_out",
    "quint_in_out",
    "expo_in",
    "expo_out",
    "expo_in_out",
    "back_in",
    "back_out",
    "back_in_out",
    "soft_back",
]

# name -> (out.x, out.y, in.x, in.y): the curve runs from (0, 0) to (1, 1)
CURVES: dict[Ease, tuple[float, float, float, float]] = {
    "linear": (0.0, 0.0, 1.0, 1.0),
    "hold": (0.0, 0.0, 1.0, 1.0),
    "sine_in_out": (0.37, 0.0, 0.63, 1.0),
    "cubic_in": (0.32, 0.0, 0.67, 0.0),
    "cubic_out": (0.33, 1.0, 0.68, 1.0),
    "cubic_in_out": (0.65, 0.0, 0.35, 1.0),
    "quint_in": (0.64, 0.0, 0.78, 0.0),
    "quint_out": (0.22, 1.0, 0.36, 1.0),
    "quint_in_out": (0.83, 0.0, 0.17, 1.0),
    "expo_in": (0.7, 0.0, 0.84, 0.0),
    "expo_out": (0.16, 1.0, 0.3, 1.0),
    "expo_in_out": (0.87, 0.0, 0.13, 1.0),
    "back_in": (0.36, 0.0, 0.66, -0.56),
    "back_out": (0.34, 1.56, 0.64, 1.0),
    "back_in_out": (0.68, -0.6, 0.32, 1.6),
    "soft_back": (0.25, 1.28, 0.42, 1.0),
}
