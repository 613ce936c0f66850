"""Merge paths (Lottie "Merge", ``mm``)."""

from collections.abc import Sequence

import skia

from flatrender_render.engines.lottie.outline import EMPTY, Outline
from flatrender_render.engines.lottie.reader import Obj

from .base import Modifier
from .offset import combine

OPERATIONS = {
    2: skia.kUnion_PathOp,
    3: skia.kDifference_PathOp,
    4: skia.kIntersect_PathOp,
    5: skia.kXOR_PathOp,
}


class MergePaths(Modifier):
    """Makes one outline of all: merged (1), added, subtracted from the first, common, exclusive."""

    def __init__(self, obj: Obj) -> None:
        super().__init__()
        self.operation = OPERATIONS.get(obj.int("mm", 1))

    def modify(self, outlines: Sequence[Outline], *_values: object) -> Sequence[Outline]:
        """Return the merged outline alone."""
        if not outlines:
            return [EMPTY]
        if self.operation is None:
            path = skia.Path()
            for outline in outlines:
                path.addPath(outline.path)
            return [Outline(path=path)]
        result = outlines[0].path
        for outline in outlines[1:]:
            result = combine(result, outline.path, self.operation)
        return [Outline(path=result)]
