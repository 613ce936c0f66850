"""What the files in a package must look like: by folder, extension and first bytes.

Owns the list of accepted kinds and the reading of a picture's size. Never decodes pixels.
"""

import io
import warnings

from PIL import Image, UnidentifiedImageError

IMAGE_PIXELS = 50_000_000

# folder -> extensions; licences and credits ride beside fonts and sounds
FOLDERS: dict[str, frozenset[str]] = {
    "a": frozenset({"json"}),
    "i": frozenset({"png", "jpg", "jpeg", "webp"}),
    "f": frozenset({"ttf", "otf", "txt"}),
    "t": frozenset({"json"}),
    "u": frozenset({"mp3", "ogg", "m4a", "wav", "flac", "txt"}),
}
TOP_LEVEL = frozenset({"manifest.json", "flatrender.json", "poster.png"})

_PICTURES = {"png": "PNG", "jpg": "JPEG", "jpeg": "JPEG", "webp": "WEBP"}


def has_place(name: str) -> bool:
    """Return whether a template package has a place for an entry of this name."""
    folder, _, rest = name.partition("/")
    if not rest:
        return name in TOP_LEVEL
    stem, _, extension = rest.rpartition(".")
    return bool(stem) and "/" not in rest and extension.lower() in FOLDERS.get(folder, frozenset())


def looks_like(name: str, head: bytes) -> bool:
    """Return whether the first bytes (16 suffice) are what the extension says."""
    extension = name.rpartition(".")[2].lower()
    match extension:
        case "png":
            return head.startswith(b"\x89PNG\r\n\x1a\n")
        case "jpg" | "jpeg":
            return head.startswith(b"\xff\xd8\xff")
        case "webp":
            return head[:4] == b"RIFF" and head[8:12] == b"WEBP"
        case "ttf" | "otf":
            return head[:4] in (b"\0\1\0\0", b"OTTO", b"true")
        case "mp3":
            return head[:3] == b"ID3" or (len(head) > 1 and head[0] == 0xFF and head[1] >> 5 == 7)
        case "ogg":
            return head[:4] == b"OggS"
        case "m4a":
            return head[4:8] == b"ftyp"
        case "wav":
            return head[:4] == b"RIFF" and head[8:12] == b"WAVE"
        case "flac":
            return head[:4] == b"fLaC"
        case _:
            return True


def picture_size(name: str, data: bytes) -> tuple[int, int] | None:
    """Return width and height from the header, or None when it is no picture of its extension."""
    expected = _PICTURES.get(name.rpartition(".")[2].lower())
    if expected is None:
        return None
    try:
        with warnings.catch_warnings():
            # The pixel cap is ours; Pillow's own warning about large pictures says nothing more.
            warnings.simplefilter("ignore", Image.DecompressionBombWarning)
            with Image.open(io.BytesIO(data), formats=[expected]) as image:
                return image.size
    except (UnidentifiedImageError, OSError, ValueError, SyntaxError, Image.DecompressionBombError):
        return None
