"""Named failures of media work. Their codes feed the farm's failure rules."""

from typing import ClassVar


class MediaError(Exception):
    """Base: ``code`` is stable, the text says what and where."""

    code: ClassVar[str] = "media_error"


class MediaUnreadable(MediaError):
    """The bytes are no media, are damaged, or use a codec that is not accepted."""

    code = "media_unreadable"


class MediaTooLarge(MediaError):
    """Longer, wider, denser or with more streams than the caps allow."""

    code = "media_too_large"


class EncodeFailed(MediaError):
    """The encoder refused a frame or the disk refused its bytes."""

    code = "encode_failed"


class SegmentMismatch(MediaError):
    """Segments cannot be joined: they differ, or one is not what its report says."""

    code = "segment_mismatch"


class ProofFailed(MediaError):
    """A rendered file is not what it must be. ``kind`` says which proof failed.

    ``frames`` are the frames at fault (file-relative) where they are known.
    """

    code = "proof_failed"

    def __init__(self, kind: str, message: str, frames: tuple[int, ...] = ()) -> None:
        super().__init__(f"{kind}: {message}")
        self.kind = kind
        self.frames = frames


class Stopped(Exception):
    """Work ended early because ``should_stop`` said so."""
