"""From a file to a scan: a bare project, or a bundle whose footage is matched to its references.

A designer's paths are those of another machine, often of another system: a reference belongs to
the file of the bundle that shares the longest end of its path, without regard to case. Reads local
files and writes none.
"""

import re
import unicodedata
from collections.abc import Iterable, Sequence
from pathlib import Path

from msgspec.structs import replace

from flatrender.template.after_effects import (
    is_project,
    open_bundle,
    project_name,
    useful_names,
)
from flatrender.template.problems import PackageRefused, problem
from flatrender.template.project_scan import ProjectScan, ScanFootage, ScanNote
from flatrender_content.aep.errors import ProjectRefused
from flatrender_content.aep.reader import read_project
from flatrender_content.aep.rifx import Limits

_FILES = frozenset({"image", "video", "audio", "other"})


def scan_file(path: Path, *, name: str = "", limits: Limits | None = None) -> ProjectScan:
    """Return what a ``.aep`` or a ``.zip`` bundle holds. Raises ``PackageRefused``.

    ``name`` is what a bare project is called; its footage counts as missing.
    """
    limits = limits or Limits()
    if is_project(path):
        size = path.stat().st_size
        if size > limits.file_bytes:
            refused = ProjectRefused("project_too_large", 0, size=size, limit=limits.file_bytes)
            raise _refused(refused, "")
        return match_footage(_read(path.read_bytes(), limits, name or path.name, ""), [])
    archive = open_bundle(path)
    try:
        project = project_name(archive)
        size = archive.file_size(project)
        if size > limits.file_bytes:
            refused = ProjectRefused("project_too_large", 0, size=size, limit=limits.file_bytes)
            raise _refused(refused, project)
        scan = _read(archive.read(project), limits, project, project)
        return match_footage(scan, [n for n in useful_names(archive) if n != project])
    finally:
        archive.close()


def match_footage(scan: ProjectScan, names: Sequence[str]) -> ProjectScan:
    """Return the scan with every reference matched to a file of ``names`` or called missing."""
    used = {layer.source_id for comp in scan.comps for layer in comp.layers}
    notes = list(scan.notes)
    by_end: dict[str, list[str]] = {}
    folders = {name.rpartition("/")[0] for name in names if "/" in name}
    for name in names:
        by_end.setdefault(_parts(name)[-1], []).append(name)
    for folder in folders:
        by_end.setdefault(_parts(folder)[-1], []).append(folder + "/")
    footage = []
    for item in scan.footage:
        if item.kind not in _FILES or not item.path:
            footage.append(item)
            continue
        found = _best(item, by_end.get(_parts(item.path)[-1], ()))
        if len(found) > 1:
            notes.append(_ambiguous(item, found))
        bundled = found[0].rstrip("/") if found else None
        footage.append(replace(item, bundled=bundled, missing=bundled is None and item.id in used))
    return replace(scan, footage=footage, notes=notes)


def _best(item: ScanFootage, candidates: Iterable[str]) -> list[str]:
    """Return the files that share the longest end of the reference's path, the likeliest first."""
    wanted = _parts(item.path)
    ranked: dict[int, list[str]] = {}
    for name in candidates:
        if name.endswith("/") != item.sequence:
            continue
        shared = 0
        for mine, theirs in zip(reversed(_parts(name)), reversed(wanted), strict=False):
            if mine != theirs:
                break
            shared += 1
        ranked.setdefault(shared, []).append(name)
    return sorted(ranked[max(ranked)]) if ranked else []


def _parts(path: str) -> list[str]:
    folded = unicodedata.normalize("NFC", path).casefold()
    return [part for part in re.split(r"[\\/]", folded) if part] or [""]


def _ambiguous(item: ScanFootage, found: list[str]) -> ScanNote:
    names = ", ".join(found[:5])
    return ScanNote(
        code="footage_ambiguous",
        place=item.path,
        message_en=f"Several files of the bundle could be this footage: {names}",
        message_fa=f"چند پرونده‌ی بسته می‌توانند این فوتیج باشند: {names}",
    )


def _read(data: bytes, limits: Limits, name: str, place: str) -> ProjectScan:
    try:
        return read_project(data, limits, name=name)
    except ProjectRefused as refused:
        raise _refused(refused, place) from refused


def _refused(refused: ProjectRefused, place: str) -> PackageRefused:
    found = problem(
        "project_unreadable",
        place,
        reason=refused.message_en,
        reason_fa=refused.message_fa,
        offset=refused.offset,
    )
    return PackageRefused([replace(found, code=refused.code)])
