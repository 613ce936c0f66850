"""Path modifiers: one module each. ``MODIFIERS`` maps the item type to its class."""

from collections.abc import Callable

from flatrender_render.engines.lottie.reader import Obj

from .base import Modifier
from .merge import MergePaths
from .offset import OffsetPath
from .pucker_bloat import PuckerBloat
from .round_corners import RoundCorners
from .trim import Trim
from .twist import Twist
from .zig_zag import ZigZag

__all__ = ["MODIFIERS", "MergePaths", "Modifier"]

MODIFIERS: dict[str, Callable[[Obj], Modifier]] = {
    "tm": Trim,
    "rd": RoundCorners,
    "pb": PuckerBloat,
    "zz": ZigZag,
    "op": OffsetPath,
    "tw": Twist,
    "mm": MergePaths,
}
