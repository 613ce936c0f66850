"""The emulator's project file: RIFX, as After Effects', around JSON.

Items are compositions (Lottie layers; ``refId`` names another item as ``item:ID``) and footage
(a file, relative to the project). As in After Effects, what a layer shows is looked up when it is
drawn, and footage that is not there is missing.
"""

import base64
import io
import json
import struct
from pathlib import Path
from typing import Any

from PIL import Image

Json = dict[str, Any]

_SOUNDS = frozenset({".wav", ".mp3", ".aac", ".aif", ".aiff"})


class ProjectUnreadable(Exception):
    """The file is no project."""


def write(path: Path, project: Json) -> None:
    """Write a project file."""
    path.write_bytes(encode(project))


def encode(project: Json) -> bytes:
    """Return a project file's bytes: one RIFX form ``Egg!`` with one chunk."""
    body = json.dumps(project).encode()
    chunk = b"JSON" + struct.pack(">I", len(body)) + body + b"\0" * (len(body) % 2)
    return b"RIFX" + struct.pack(">I", len(chunk) + 4) + b"Egg!" + chunk


def read(path: Path) -> Json:
    """Read a project file. Raises ``ProjectUnreadable``."""
    try:
        data = path.read_bytes()
    except OSError as error:
        raise ProjectUnreadable(str(error)) from error
    if data[:4] != b"RIFX" or data[8:16] != b"Egg!JSON":
        raise ProjectUnreadable("not a project")
    (length,) = struct.unpack(">I", data[16:20])
    found: Json = json.loads(data[20 : 20 + length])
    return found


def comp_named(project: Json, name: str) -> Json | None:
    """Return a composition by its name."""
    return next((i for i in project["items"] if i["type"] == "comp" and i["name"] == name), None)


def missing_footage(project: Json, folder: Path) -> list[str]:
    """Return the names of footage whose files are not there."""
    return [
        item["name"]
        for item in project["items"]
        if item["type"] == "footage" and not _file(item, folder).is_file()
    ]


def _file(item: Json, folder: Path) -> Path:
    return folder / item["file"]


def lottie_of(project: Json, comp: Json, folder: Path) -> tuple[Json, dict[str, str]]:
    """Return a composition as one Lottie file, and the colours that ``frshare`` gives its slots."""
    assets = []
    for item in project["items"]:
        ref = f"item:{item['id']}"
        if item["type"] == "comp":
            assets.append({"id": ref, "nm": item["name"], "fr": item["fr"],
                           "layers": item["layers"]})  # fmt: skip
        elif item["type"] == "footage" and (path := _file(item, folder)).is_file():
            if path.suffix in _SOUNDS:  # -sound OFF: nobody hears what is drawn
                continue
            assets.append(_picture(ref, path))
    lottie = {
        "v": "5.9.0", "nm": comp["name"], "ddd": 0, "w": comp["w"], "h": comp["h"],
        "fr": comp["fr"], "ip": 0, "op": comp["op"], "assets": assets, "layers": comp["layers"],
    }  # fmt: skip
    share = comp_named(project, "frshare")
    return lottie, {layer["nm"]: _color(layer) for layer in (share["layers"] if share else [])}


def _picture(ref: str, path: Path) -> Json:
    with Image.open(path) as opened:
        width, height = opened.size
        buffer = io.BytesIO()
        opened.convert("RGBA").save(buffer, "PNG")
    data = base64.b64encode(buffer.getvalue()).decode()
    return {"id": ref, "w": width, "h": height, "u": "", "p": f"data:image/png;base64,{data}",
            "e": 1}  # fmt: skip


def _color(layer: Json) -> str:
    """Read ``1,0.8,0,1`` as an expression would."""
    text = layer["t"]["d"]["k"][0]["s"]["t"]
    parts = [round(float(part) * 255) for part in text.split(",")]
    return "#" + "".join(f"{part:02x}" for part in (parts * 4)[:3])
