"""Writing After Effects project files for tests: real RIFX, only what a scan reads.

Chunks and offsets as in LottieFiles' lottie-docs ("Parsing AEP Files"). Not for production: After
Effects itself would miss most of what it keeps in a project.
"""

import json
import struct
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

SCALE = 30_000
_TYPES = {"av": 0, "light": 1, "camera": 2, "text": 3, "shape": 4}


@dataclass(kw_only=True)
class Layer:
    """A layer; times are seconds of its comp. ``text`` makes it a text layer."""

    name: str
    kind: str = "av"
    source: int = 0
    start: float = 0.0
    begin: float = 0.0
    end: float = 5.0
    text: str | None = None
    fonts: Sequence[str] = ("Vazirmatn-Regular",)
    null: bool = False
    enabled: bool = True
    audible: bool = True
    expression: str = ""


@dataclass(kw_only=True)
class Comp:
    """A comp."""

    id: int
    name: str
    width: int = 1920
    height: int = 1080
    fps: float = 30.0
    duration: float = 5.0
    layers: Sequence[Layer] = ()


@dataclass(kw_only=True)
class Footage:
    """A footage file, or a solid when it has no path."""

    id: int
    path: str = ""
    name: str = ""
    width: int = 640
    height: int = 360
    duration: float = 0.0
    folder: bool = False


@dataclass(kw_only=True)
class Folder:
    """A folder of the project panel."""

    id: int
    name: str
    items: "Sequence[Comp | Footage | Folder]" = field(default_factory=list)


Item = Comp | Footage | Folder


def project(*items: Item) -> bytes:
    """Return a project file."""
    body = b"Egg!" + chunk(b"head", bytes(20)) + lst(b"Fold", *map(_item, items))
    return b"RIFX" + struct.pack(">I", len(body)) + body + b"<?xpacket begin=''?>"


def chunk(name: bytes, data: bytes) -> bytes:
    """Return a chunk, padded."""
    return name + struct.pack(">I", len(data)) + data + b"\0" * (len(data) % 2)


def lst(kind: bytes, *children: bytes) -> bytes:
    """Return a list."""
    return chunk(b"LIST", kind + b"".join(children))


def text_document(text: str, fonts: Sequence[str]) -> bytes:
    """Return a text document in COS."""
    listed = b" ".join(
        b"<< /0 << /99 /CoolTypeFont /0 << /0 " + _string(font) + b" /2 0 >> >> >>"
        for font in ("AdobeInvisFont", *fonts)
    )
    runs = b" ".join(
        b"<< /0 << /0 << /0 (\xfe\xff) /5 0 /6 << /0 %d /1 36.0 >> >> >> /1 1 >>" % (index + 1)
        for index in range(len(fonts))
    )
    words = _string(text.replace("\n", "\r") + "\r")
    return (
        b" /98 << /0 13 >> /0 << /1 << /0 [ " + listed + b" ] >> >> /1 << /1 [ << /0 << /0 "
        + words + b" /6 << /0 [ " + runs + b" ] >> >> >> ] >>"
    )  # fmt: skip


def _string(text: str) -> bytes:
    data = b"\xfe\xff" + text.encode("utf-16-be")
    for sign in (b"\\", b"(", b")"):
        data = data.replace(sign, b"\\" + sign)
    return b"(" + data + b")"


def _item(item: Item) -> bytes:
    kind = {Comp: 4, Footage: 7, Folder: 1}[type(item)]
    head = chunk(b"idta", struct.pack(">H14xI64x", kind, item.id))
    name = chunk(b"Utf8", item.name.encode())
    if isinstance(item, Comp):
        return lst(b"Item", head, name, _cdta(item), *_layers(item))
    if isinstance(item, Footage):
        return lst(b"Item", head, name, _pin(item))
    return lst(b"Item", head, name, lst(b"Sfdr", *map(_item, item.items)))


def _time(seconds: float) -> bytes:
    return struct.pack(">iI", round(seconds * SCALE), SCALE)


def _cdta(comp: Comp) -> bytes:
    data = bytearray(204)
    struct.pack_into(">HH", data, 0, 1, 1)
    data[28:36] = _time(0)
    data[36:44] = struct.pack(">II", 0xFFFFFFFF, 600)
    data[44:52] = _time(comp.duration)
    struct.pack_into(">HH", data, 140, comp.width, comp.height)
    struct.pack_into(">HH", data, 156, int(comp.fps), round(comp.fps % 1 * 65_536))
    return chunk(b"cdta", bytes(data))


def _layers(comp: Comp) -> Iterable[bytes]:
    for number, layer in enumerate(comp.layers, 1):
        kind = "text" if layer.text is not None else layer.kind
        data = bytearray(164)
        struct.pack_into(">IH", data, 0, comp.id * 1000 + number, 2)
        data[12:20] = _time(layer.start)
        data[20:28] = _time(layer.begin - layer.start)
        data[28:36] = _time(layer.end - layer.start)
        data[38] = 0x80 if layer.null else 0
        data[39] = 0x04 | (0x02 if layer.audible else 0) | (0x01 if layer.enabled else 0)
        struct.pack_into(">I", data, 40, layer.source)
        data[64 : 64 + min(31, len(layer.name.encode()))] = layer.name.encode()[:31]
        data[131] = _TYPES[kind]
        inner = [chunk(b"tdsb", b"\0\0\0\1")]
        if layer.text is not None:
            document = lst(b"btdk", text_document(layer.text, layer.fonts))
            inner += [
                _match("ADBE Text Properties"),
                lst(b"tdgp", _match("ADBE Text Document"), lst(b"btds", lst(b"tdbs"), document)),
            ]
        if layer.expression:
            body = lst(
                b"tdbs", chunk(b"tdb4", bytes(124)), chunk(b"Utf8", layer.expression.encode())
            )
            inner += [_match("ADBE Transform Group"), lst(b"tdgp", _match("ADBE Opacity"), body)]
        yield lst(
            b"Layr",
            chunk(b"ldta", bytes(data)),
            chunk(b"Utf8", layer.name.encode()),
            lst(b"tdgp", *inner, _match("ADBE Group End")),
        )


def _match(name: str) -> bytes:
    return chunk(b"tdmn", name.encode().ljust(40, b"\0"))


def _pin(item: Footage) -> bytes:
    form = b"png!" if item.path else b"Soli"
    data = bytearray(222)
    data[22:26] = form
    struct.pack_into(">HxxH", data, 32, item.width, item.height)
    struct.pack_into(">II", data, 38, round(item.duration * SCALE), SCALE)
    option = bytearray(282)
    option[0:4] = form
    if not item.path:
        name = item.name.encode()[:255]
        option[26 : 26 + len(name)] = name
    parts = [chunk(b"sspc", bytes(data))]
    if item.path:
        alias = {"fullpath": item.path, "target_is_folder": item.folder}
        parts.append(lst(b"Als2", chunk(b"alas", json.dumps(alias).encode())))
    return lst(b"Pin ", *parts, chunk(b"opti", bytes(option)))
