"""The file manager's pure rules: what may be uploaded, how bytes are recognised. No I/O."""

from collections.abc import Mapping
from typing import Literal

from msgspec import Struct

Purpose = Literal[
    "library",
    "image",
    "video",
    "audio",
    "voiceover",
    "music",
    "font",
    "avatar",
    "template",
    "other",
]

MIB = 2**20
PIXEL_CAP = 50_000_000
SIDE_CAP = 16_384


class Kind(Struct, frozen=True):
    """A recognised type. ``inline`` types may be shown by a browser from our links."""

    content_type: str
    extension: str
    inline: bool = True


PNG = Kind("image/png", "png")
JPEG = Kind("image/jpeg", "jpg")
WEBP = Kind("image/webp", "webp")
GIF = Kind("image/gif", "gif")
SVG = Kind("image/svg+xml", "svg", inline=False)
WAV = Kind("audio/wav", "wav")
MP3 = Kind("audio/mpeg", "mp3")
OGG = Kind("audio/ogg", "ogg")
FLAC = Kind("audio/flac", "flac")
M4A = Kind("audio/mp4", "m4a")
MP4 = Kind("video/mp4", "mp4")
WEBM = Kind("video/webm", "webm")
TTF = Kind("font/ttf", "ttf", inline=False)
OTF = Kind("font/otf", "otf", inline=False)
ZIP = Kind("application/zip", "zip", inline=False)
AEP = Kind("application/vnd.adobe.aftereffects.project", "aep", inline=False)
BINARY = Kind("application/octet-stream", "bin", inline=False)

_IMAGES = frozenset({PNG, JPEG, WEBP})
_SOUNDS = frozenset({WAV, MP3, OGG, FLAC, M4A})
ALLOWED: Mapping[str, frozenset[Kind]] = {
    "image": _IMAGES,
    "avatar": _IMAGES,
    "video": frozenset({MP4, WEBM}),
    "audio": _SOUNDS,
    "voiceover": _SOUNDS,
    "music": _SOUNDS,
    "font": frozenset({TTF, OTF}),
    "template": frozenset({ZIP, AEP}),
    "library": _IMAGES | _SOUNDS | {GIF, SVG, MP4, WEBM, TTF, OTF, ZIP},
    "other": _IMAGES | _SOUNDS | {GIF, SVG, MP4, WEBM, TTF, OTF, ZIP, BINARY},
}
MAX_BYTES: Mapping[str, int] = {
    "image": 40 * MIB,
    "avatar": 8 * MIB,
    "video": 1024 * MIB,
    "audio": 200 * MIB,
    "voiceover": 100 * MIB,
    "music": 100 * MIB,
    "font": 20 * MIB,
    "template": 200 * MIB,
    "library": 1024 * MIB,
    "other": 200 * MIB,
}


def sniff(head: bytes) -> Kind:
    """Recognise bytes by their signature (the first 512 suffice); never by name or header."""
    checks = (
        (head.startswith(b"\x89PNG\r\n\x1a\n"), PNG),
        (head.startswith(b"\xff\xd8\xff"), JPEG),
        (head[:4] == b"RIFF" and head[8:12] == b"WEBP", WEBP),
        (head[:6] in (b"GIF87a", b"GIF89a"), GIF),
        (head[:4] == b"RIFF" and head[8:12] == b"WAVE", WAV),
        (head[:4] == b"OggS", OGG),
        (head[:4] == b"fLaC", FLAC),
        (head[4:8] == b"ftyp" and head[8:12] in (b"M4A ", b"M4B "), M4A),
        (head[4:8] == b"ftyp", MP4),
        (head[:4] == b"\x1aE\xdf\xa3", WEBM),
        (head[:3] == b"ID3" or (len(head) > 1 and head[0] == 0xFF and head[1] & 0xE6 == 0xE2), MP3),
        (head[:4] in (b"\0\1\0\0", b"true"), TTF),
        (head[:4] == b"OTTO", OTF),
        (head[:4] in (b"PK\3\4", b"PK\5\6"), ZIP),
        (head[:4] == b"RIFX" and head[8:12] == b"Egg!", AEP),
        (_is_svg(head), SVG),
    )
    return next((kind for matched, kind in checks if matched), BINARY)


def accepts(purpose: str, kind: Kind) -> bool:
    """True when files of this purpose may be of this kind. A sound in an MP4 container is one."""
    if kind is MP4 and purpose in ("audio", "voiceover", "music"):
        return True
    return kind in ALLOWED.get(purpose, frozenset())


def _is_svg(head: bytes) -> bool:
    text = head[:512].lstrip(b"\xef\xbb\xbf \t\r\n").lower()
    return text.startswith((b"<svg", b"<?xml", b"<!doctype svg")) and b"svg" in text
