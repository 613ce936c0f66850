"""What one animation may cost. Everything that a file can multiply has a bound here."""

import math
import time
from collections.abc import Callable
from dataclasses import dataclass

from .errors import LottieLimitError


@dataclass(frozen=True, slots=True)
class Limits:
    """Bounds on one file; passing one raises ``LottieLimitError`` naming the place.

    Sizes are bytes, pixels or counts. The defaults leave room for real templates (the largest
    seen in the wild hold some 20 MB of JSON) and keep the worst file within seconds and about 1 GB.
    """

    json_bytes: int = 32 * 1024 * 1024
    depth: int = 100  # nesting of JSON; real files stay below 40
    values: int = 2_000_000  # JSON values in the whole file
    layers: int = 20_000  # in the file
    shapes: int = 100_000  # shape items in the file
    keyframes: int = 200_000
    vertices: int = 500_000  # over all stored paths and path keyframes
    parents: int = 100  # parents of parents of a layer
    comp_depth: int = 32  # precomps within precomps, mattes of mattes
    comp_draws: int = 20_000  # layers met when every precomp is opened where it is used
    dimension: int = 8192  # width or height of a composition, pixels
    image_pixels: int = 50_000_000  # one picture
    images_pixels: int = 120_000_000  # all pictures of one animation
    image_bytes: int = 64 * 1024 * 1024  # one encoded picture
    repeater_copies: int = 1_000  # one repeater
    draws: int = 20_000  # shape drawings of one layer after repeaters
    segments: int = 20_000  # curve segments of one path after modifiers
    points: int = 1_000  # points of one star, ridges of one zig-zag segment
    dashes: int = 100_000  # dashes along one path
    text_length: int = 20_000
    unsupported: int = 500  # reports kept
    frame_seconds: float = 60.0  # one frame; a template's takes some ten milliseconds


class Deadline:
    """Watches the time of one frame, so that no file can hold a worker."""

    __slots__ = ("_clock", "_end", "seconds")

    def __init__(self, seconds: float, clock: Callable[[], float] = time.monotonic) -> None:
        self.seconds = seconds
        self._clock = clock
        self._end = math.inf

    def start(self) -> None:
        """Begin a frame."""
        self._end = self._clock() + self.seconds

    def check(self) -> None:
        """Raise ``LottieLimitError`` where the frame has taken too long."""
        if self._clock() > self._end:
            raise LottieLimitError(f"one frame takes longer than {self.seconds:g} s")
