"""Named errors of the Lottie engine, and the report of what a file asks for that is not drawn.

Owns every error that leaves the engine. Whatever a file contains, reading and drawing it ends in a
picture or in one of these; nothing else may escape.
"""

from dataclasses import dataclass
from typing import ClassVar


class LottieError(Exception):
    """A file cannot be drawn. ``pointer`` is a JSON pointer (RFC 6901) to the place."""

    code: ClassVar[str] = "lottie_error"

    def __init__(self, message: str, pointer: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.pointer = pointer

    def __str__(self) -> str:
        """Return the message and the place in one line."""
        return f"{self.message} (at {self.pointer or '/'})"


class InvalidLottieError(LottieError):
    """The file is no JSON, or a member has a type or value that the format does not know."""

    code = "lottie_invalid"


class LottieLimitError(LottieError):
    """The file is larger, deeper or more numerous than the limits allow."""

    code = "lottie_limit"


class PrecompCycleError(LottieError):
    """A precomposition contains itself, or layers parent each other in a ring."""

    code = "lottie_cycle"


class LottieAssetError(LottieError):
    """A picture or font that the file needs is missing or cannot be decoded."""

    code = "lottie_asset"


class LottieSlotError(LottieError):
    """A value was given for a slot that does not exist, or of the wrong kind."""

    code = "lottie_slot"


@dataclass(frozen=True, slots=True)
class Unsupported:
    """A feature that is read but not drawn: its name and where (layer name and JSON pointer)."""

    name: str
    where: str
