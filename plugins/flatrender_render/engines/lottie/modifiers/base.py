"""What every path modifier shares: parameters over time and a memory of the last answer."""

from collections.abc import Sequence
from typing import Any

from flatrender_render.engines.lottie.outline import Outline
from flatrender_render.engines.lottie.properties import Property


class Modifier:
    """Changes the outlines above it in its group. Subclasses implement ``modify``."""

    def __init__(self, *parts: Property[Any]) -> None:
        self.parts = parts
        self.static = all(p.static for p in parts)
        # Keeping the inputs alive keeps their identity unique.
        self._memo: tuple[tuple[Any, ...], Sequence[Outline], Sequence[Outline]] | None = None

    def apply(self, outlines: Sequence[Outline], frame: float) -> Sequence[Outline]:
        """Return the modified outlines, one for each given; the same objects when unchanged."""
        values = tuple([p.at(frame) for p in self.parts])
        memo = self._memo
        if (
            memo is not None
            and memo[0] == values
            and len(memo[1]) == len(outlines)
            and all(a is b for a, b in zip(memo[1], outlines, strict=True))
        ):
            return memo[2]
        result = self.modify(outlines, *values)
        self._memo = (values, outlines, result)
        return result

    def modify(self, outlines: Sequence[Outline], *values: Any) -> Sequence[Outline]:
        """Compute the modified outlines from parameter values."""
        raise NotImplementedError
