"""After Effects bundles: a zip of one project and its footage, and its ``flatrender.json``.

Owns which names and sizes a bundle may have (machines of every kind unpack it) and the manifest
that is written into it when a scan is applied. Never reads a project.
"""

import re
import shutil
import unicodedata
import zipfile
from pathlib import Path, PurePosixPath
from typing import Annotated, Literal

import msgspec
from msgspec import Meta, Struct

from flatrender.template.archive import ArchiveLimits, NameRule, SafeArchive
from flatrender.template.manifest import Key, Mode
from flatrender.template.problems import PackageProblem, PackageRefused, problem

MANIFEST = "flatrender.json"
BUNDLE_ENGINE = "aerender"  # whose packages are bundles
SHARED_COMP = "frshare"
FINAL_COMPS: dict[str, tuple[Mode, ...]] = {
    "frfinal": ("Fix", "MusicVisualizer"),
    "flatrender": ("Flexible", "Mockup"),
}
BUNDLE_LIMITS = ArchiveLimits(
    archive_bytes=2 * 2**30, entries=5_000, entry_bytes=2**30, total_bytes=4 * 2**30
)
_NAME_BYTES = 400
_PART_BYTES = 200
_RESERVED = re.compile(r"(con|prn|aux|nul|conin\$|conout\$|(com|lpt)[0-9\u00b9\u00b2\u00b3])", re.I)
_FORBIDDEN = frozenset('<>:"|?*\\')
_ARCHIVES = frozenset({".zip", ".rar", ".7z", ".gz", ".tgz", ".bz2", ".xz", ".tar", ".cab", ".iso"})
_ARCHIVE_HEADS = (b"PK\3\4", b"PK\5\6", b"Rar!\x1a\x07", b"7z\xbc\xaf\x27\x1c")
# Finder puts a shadow of every file into the first; After Effects its older copies into the other.
_LEFTOVERS = frozenset({"__MACOSX", "Adobe After Effects Auto-Save"})
_LEFTOVER_FILES = frozenset({".ds_store", "thumbs.db", "desktop.ini"})


class AepFont(Struct, frozen=True, kw_only=True):
    """A font that the project uses; ``postscript`` decides where it is known."""

    family: str
    style: str = "Regular"
    weight: int = 400
    postscript: str = ""


class AepSlot(Struct, frozen=True, kw_only=True):
    """A slot and its layer. ``companion`` is the layer that shows it right to left.

    ``width`` and ``height`` (pixels) are a placeholder's. ``effect`` names the expression control
    of a ``control``; ``hide_when_empty`` takes the layer away where nothing was filled in.
    """

    id: Key
    type: Literal["text", "image", "color", "number", "control"]
    layer: str
    companion: str = ""
    width: Annotated[int, Meta(ge=0, le=65_535)] = 0
    height: Annotated[int, Meta(ge=0, le=65_535)] = 0
    effect: str = ""
    hide_when_empty: bool = False


class AepScene(Struct, frozen=True, kw_only=True):
    """A scene: its comp (``""``: layers of the final one), length in seconds.

    ``container`` is the layer that is duplicated with it.
    """

    key: Key
    comp: str = ""
    duration: float = 0.0
    slots: list[AepSlot] = []
    container: str = ""


class AepColor(Struct, frozen=True, kw_only=True):
    """A text layer of ``frshare``; ``scale`` is what its four numbers count to."""

    key: Key
    layer: str
    kind: Literal["color", "switch"]
    # One pattern: of two kinds of text in a union, msgspec would hold all against the last.
    default: Annotated[str, Meta(pattern=r"^(#([0-9a-fA-F]{6}|[0-9a-fA-F]{8})|[0-3])$")]
    scale: Literal[1, 255] = 1


class AepReference(Struct, frozen=True, kw_only=True):
    """What a full scan's own render showed: ranges of frames (both ends) of ``frames`` in all."""

    frames: int
    visible: list[tuple[int, int]] = []
    moving: list[tuple[int, int]] = []


class AepManifest(Struct, frozen=True, kw_only=True):
    """``flatrender.json`` of a bundle. ``footage`` are paths beside the project.

    ``after_effects`` is the oldest major version that opens it (24 is 2024), 0 any.
    """

    format: Literal[1] = 1
    engine: Literal["aerender"] = "aerender"
    project: str
    comp: str
    mode: Mode
    scenes: list[AepScene] = []
    colors: list[AepColor] = []
    fonts: list[AepFont] = []
    footage: list[str] = []
    after_effects: int = 0
    reference: AepReference | None = None


def _bundle_name(name: str) -> str | None:
    """Return what is wrong with a name on Windows, macOS or Linux."""
    if len(name.encode("utf-8", "replace")) > _NAME_BYTES or not name.strip("/"):
        return "name_unsafe"
    for part in name.rstrip("/").split("/"):
        if not part or part == "." or part[-1] in ". " or part[0] == " ":
            return "name_unsafe"
        if len(part.encode("utf-8", "replace")) > _PART_BYTES or _FORBIDDEN & {*part}:
            return "name_unsafe"
        # Other, format (bidi overrides) and separator characters; the joiners of Persian are fine.
        if any(unicodedata.category(c)[0] == "C" and c not in "\u200c\u200d" for c in part):
            return "name_unsafe"
        if any(unicodedata.category(c) in ("Zl", "Zp") for c in part):
            return "name_unsafe"
        if _RESERVED.fullmatch(part.split(".", 1)[0].rstrip()):
            return "name_reserved"
    return None


BUNDLE_NAMES = NameRule(_bundle_name, _NAME_BYTES)


def open_bundle(source: Path | bytes, limits: ArchiveLimits = BUNDLE_LIMITS) -> SafeArchive:
    """Open a bundle; every entry has been checked. Raises ``PackageRefused`` with every reason."""
    archive = SafeArchive(source, limits, BUNDLE_NAMES)
    try:
        problems = _structure(archive)
        if problems:
            raise PackageRefused(problems)
    except BaseException:
        archive.close()
        raise
    return archive


def project_name(archive: SafeArchive) -> str:
    """Return the one project of a bundle. Raises ``PackageRefused``."""
    found = [n for n in useful_names(archive) if n.lower().endswith(".aep")]
    if not found:
        raise PackageRefused([problem("project_missing", "")])
    if len(found) > 1:
        raise PackageRefused([problem("project_not_single", n, count=len(found)) for n in found])
    return found[0]


def useful_names(archive: SafeArchive) -> list[str]:
    """Return the files of a bundle without what systems and programs leave behind."""
    return [name for name in archive.names if not _left_over(name)]


def _left_over(name: str) -> bool:
    path = PurePosixPath(name)
    return bool(_LEFTOVERS & {*path.parts}) or path.name.lower() in _LEFTOVER_FILES


def _structure(archive: SafeArchive) -> list[PackageProblem]:
    names = {unicodedata.normalize("NFC", name).casefold(): name for name in archive.names}
    problems = []
    for folded, name in names.items():
        parts = folded.split("/")
        over = {"/".join(parts[:n]) for n in range(1, len(parts))} & names.keys()
        problems += [problem("file_is_folder", names[parent]) for parent in sorted(over)]
        nested = PurePosixPath(folded).suffix in _ARCHIVES
        if nested or (not _left_over(name) and archive.head(name, 6).startswith(_ARCHIVE_HEADS)):
            problems.append(problem("nested_archive", name))
    return problems


def write_bundle(source: Path, target: Path, manifest: AepManifest) -> None:
    """Write the bundle that engines get: ``source`` (.aep or zip) with ``manifest`` in it.

    Leftovers and an older manifest stay behind; the same input gives the same bytes. Raises
    ``PackageRefused``.
    """
    with zipfile.ZipFile(target, "w") as made:
        with made.open(_entry(MANIFEST), "w") as entry:
            entry.write(msgspec.json.encode(manifest, order="deterministic"))
        if is_project(source):
            with source.open("rb") as project, made.open(_entry(manifest.project), "w") as entry:
                shutil.copyfileobj(project, entry, 1 << 20)
            return
        archive = open_bundle(source)
        try:
            for name in useful_names(archive):
                if name != MANIFEST:
                    with made.open(_entry(name), "w") as entry:
                        archive.copy(name, entry)
        finally:
            archive.close()


def is_project(source: Path) -> bool:
    """Return whether a file is a bare project (RIFX), and not a zip."""
    with source.open("rb") as stream:
        return stream.read(4) == b"RIFX"


def _entry(name: str) -> zipfile.ZipInfo:
    info = zipfile.ZipInfo(name, date_time=(1980, 1, 1, 0, 0, 0))
    info.compress_type = zipfile.ZIP_DEFLATED
    info.external_attr = 0o644 << 16
    return info
