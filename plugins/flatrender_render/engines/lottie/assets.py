"""Pictures of an animation: where their bytes come from, and safe decoding.

Owns the ``AssetSource`` port, size limits on encoded and decoded pictures, and how a customer's
picture is framed in its box. Never reads outside of what the source offers.
"""

import base64
import binascii
import hashlib
from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Literal, Protocol

import skia

from .errors import LottieAssetError, LottieLimitError
from .reader import Document, Obj


class AssetSource(Protocol):
    """Where files named by an animation are found."""

    def read(self, name: str) -> bytes | None:
        """Return a file by its name in the animation (folder and file), or ``None``."""
        ...


class MappingAssets:
    """Files held in memory."""

    def __init__(self, files: Mapping[str, bytes]) -> None:
        self.files = files

    def read(self, name: str) -> bytes | None:
        """Return the file of that name, with or without its folder."""
        found = self.files.get(name)
        return found if found is not None else self.files.get(PurePosixPath(name).name)


class FolderAssets:
    """Files below a folder; names cannot leave it."""

    def __init__(self, root: Path, max_bytes: int = 64 * 1024 * 1024) -> None:
        self.root = root.resolve()
        self.max_bytes = max_bytes

    def read(self, name: str) -> bytes | None:
        """Return the file, tried with its folder and beside the animation."""
        for candidate in (name, PurePosixPath(name).name):
            try:
                path = (self.root / candidate).resolve()
                if not path.is_relative_to(self.root) or not path.is_file():
                    continue
                if path.stat().st_size > self.max_bytes:
                    raise LottieLimitError(f"{name} is larger than {self.max_bytes} bytes")
                return path.read_bytes()
            except (OSError, ValueError):  # no such file, or a name that no file can have
                continue
        return None


@dataclass(frozen=True, slots=True)
class ImageValue:
    """A picture for an image slot: encoded bytes and how they fill the asset's box.

    ``focus_x`` and ``focus_y`` (0..1) name the point that stays in view when cropping; ``zoom`` >=
    1 enlarges around it. ``cover`` fills the box, ``contain`` shows the whole picture.
    """

    data: bytes
    focus_x: float = 0.5
    focus_y: float = 0.5
    zoom: float = 1.0
    fit: Literal["cover", "contain"] = "cover"


@dataclass(frozen=True, slots=True)
class Picture:
    """A decoded picture in the box of its asset (pixels of the composition)."""

    image: skia.Image | None
    width: float
    height: float
    source: skia.Rect
    target: skia.Rect


def decode_image(data: bytes, doc: Document, where: Obj) -> skia.Image:
    """Decode a raster picture within the limits; never more than ``image_pixels``."""
    limits = doc.limits
    if len(data) > limits.image_bytes:
        raise LottieLimitError(
            f"a picture is larger than {limits.image_bytes} bytes", where.pointer
        )
    image = skia.Image.MakeFromEncoded(skia.Data(data))  # reads the header only
    if image is None:
        raise LottieAssetError("a picture cannot be decoded", where.pointer)
    pixels = image.width() * image.height()
    if pixels > limits.image_pixels:
        raise LottieLimitError(
            f"a picture of {image.width()} x {image.height()} is larger than the limit",
            where.pointer,
        )
    doc.count("picture pixels", pixels, limits.images_pixels, where)
    key = hashlib.sha256(data).digest()
    decoded = _DECODED.get(key)
    if decoded is None:
        # Decoded now, once: a deferred picture would be decoded again whenever Skia's cache is full
        decoded = image.makeRasterImage(skia.Image.CachingHint.kDisallow_CachingHint)
        if decoded is None:
            raise LottieAssetError("a picture cannot be decoded", where.pointer)
        _DECODED.put(key, decoded, pixels)
    return decoded


class DecodedPictures:
    """The latest decoded pictures of this process by the hash of their file, up to a budget.

    A job's chunks, its snapshots and the scenes of one template use the same pictures again.
    """

    def __init__(self, budget: int) -> None:
        self._budget = budget
        self._pixels = 0
        self._kept: OrderedDict[bytes, tuple[skia.Image, int]] = OrderedDict()

    def get(self, key: bytes) -> skia.Image | None:
        """Return a kept picture."""
        found = self._kept.get(key)
        if found is None:
            return None
        self._kept.move_to_end(key)
        return found[0]

    def put(self, key: bytes, image: skia.Image, pixels: int) -> None:
        """Keep a picture; those unused for longest go."""
        self._kept[key] = (image, pixels)
        self._pixels += pixels
        while self._pixels > self._budget:
            self._pixels -= self._kept.popitem(last=False)[1][1]


_DECODED = DecodedPictures(24_000_000)  # pixels of four bytes


def data_uri(text: str) -> tuple[str, bytes] | None:
    """Return media type and bytes of a base64 ``data:`` URI, or ``None``."""
    if not text.startswith("data:"):
        return None
    head, _, body = text[5:].partition(",")
    if not head.endswith(";base64"):
        return None
    try:
        return head.split(";")[0], base64.b64decode(body, validate=False)
    except (binascii.Error, ValueError):
        return None


def asset_bytes(asset: Obj, source: AssetSource | None) -> bytes | None:
    """Return the encoded bytes of an image asset, or ``None`` where they are missing."""
    path, folder = asset.text("p"), asset.text("u")
    if path.startswith("data:"):
        found = data_uri(path)
        if found is None:
            raise LottieAssetError("a picture's data URI cannot be read", asset.pointer)
        if found[0] == "image/svg+xml":
            asset.report("SVG picture")
            return None
        return found[1]
    if source is None or not path:
        return None
    for name in dict.fromkeys((folder + path, path, f"i/{path}", f"images/{path}")):
        data = source.read(name)
        if data is not None:
            return data
    return None


def picture(asset: Obj, source: AssetSource | None, value: ImageValue | None) -> Picture:
    """Build the picture of an asset, the slot's value before the file's own."""
    data = value.data if value is not None else asset_bytes(asset, source)
    width, height = asset.num("w"), asset.num("h")
    if data is None:
        asset.report(f"missing picture {asset.text('p')[:80]!r}")
        return Picture(None, width, height, skia.Rect(), skia.Rect())
    image = decode_image(data, asset.doc, asset)
    iw, ih = float(image.width()), float(image.height())
    width, height = width or iw, height or ih
    framing = value or ImageValue(b"")
    boxes = frame_picture(iw, ih, width, height, framing)
    return Picture(image, width, height, *boxes)


def frame_picture(
    iw: float, ih: float, width: float, height: float, value: ImageValue
) -> tuple[skia.Rect, skia.Rect]:
    """Return which part of a picture is shown (its pixels) and where (the box's)."""
    zoom = max(value.zoom, 1.0)
    if value.fit == "contain":
        scale = min(width / iw, height / ih) * zoom
    else:
        scale = max(width / iw, height / ih) * zoom
    shown_w, shown_h = min(width / scale, iw), min(height / scale, ih)
    left = min(max(value.focus_x * iw - shown_w / 2, 0.0), iw - shown_w)
    top = min(max(value.focus_y * ih - shown_h / 2, 0.0), ih - shown_h)
    target_w, target_h = shown_w * scale, shown_h * scale
    x, y = (width - target_w) / 2, (height - target_h) / 2
    return (
        skia.Rect.MakeXYWH(left, top, shown_w, shown_h),
        skia.Rect.MakeXYWH(x, y, target_w, target_h),
    )
