"""A full scan: After Effects itself tells what a project holds.

Owns the order and result of ``scan.jsx`` and what becomes of the machine's paths: footage is named
by its file in the bundle, never by where this machine happened to lay it out. What the names of
comps and layers mean is not known here.
"""

import unicodedata
from collections.abc import Callable
from pathlib import Path

from msgspec import Struct
from msgspec.structs import replace

from flatrender.clock import random_token
from flatrender.template.after_effects import open_bundle
from flatrender.template.project_scan import (
    FootageKind,
    Name,
    ProjectScan,
    ScanComp,
    ScanFootage,
    ScanLayer,
    ScanNote,
)
from flatrender_render.engines import TemplateBroken
from flatrender_render.engines.aerender import bundle as bundles
from flatrender_render.engines.aerender.driver import judge
from flatrender_render.engines.aerender.failures import UNTOLD, AerenderFailed, code_of_line
from flatrender_render.engines.aerender.installs import Install, clean_environment
from flatrender_render.engines.aerender.scripts import Desk
from flatrender_render.engines.aerender.watchdog import Patience

CODE = "scan_failed"


class ScanOrder(Struct, frozen=True, kw_only=True):
    """``sidecar.json``: what to open."""

    nonce: str
    project: str


class SeenFootage(Struct, frozen=True, kw_only=True):
    """Footage as After Effects sees it; ``path`` is this machine's (the designer's: missing)."""

    id: int
    name: Name
    kind: FootageKind
    path: str = ""
    width: int = 0
    height: int = 0
    duration: float | None = None
    sequence: bool = False
    missing: bool = False


class ScanResult(Struct, frozen=True, kw_only=True):
    """``result.json``."""

    state: str
    nonce: str
    message: str = ""
    after_effects: str = ""
    comps: list[ScanComp] = []
    footage: list[SeenFootage] = []
    fonts: list[Name] = []
    substituted: list[Name] = []


def scan(
    install: Install,
    package: Path,
    sha256: str,
    folder: Path,
    *,
    name: str,
    patience: Patience,
    should_stop: Callable[[], bool],
) -> ProjectScan:
    """Return what a ``.aep`` or a bundle holds; ``name`` is what a bare project is called.

    ``folder`` is empty and the caller's to remove. Raises ``PackageRefused`` for a bundle that is
    none, ``TemplateBroken``, ``AerenderFailed`` and ``Stopped``.
    """
    bare = bundles.is_project(package)
    if not bare:
        open_bundle(package).close()  # refused here it names every reason and place
    root = folder / "project"
    root.mkdir()
    laid = bundles.unpack(package, sha256, root)
    order = ScanOrder(nonce=random_token(16), project=str(laid.project))
    desk = Desk(folder, "scan", order)
    ended = desk.run(
        install, environment=clean_environment(), patience=patience, should_stop=should_stop
    )
    desk.require(ended)
    found = _read(desk, order.nonce)
    judge(ended)
    if not found.comps:
        raise TemplateBroken("the project has no composition")
    used = {layer.source_id for comp in found.comps for layer in comp.layers}
    place = name if bare else laid.project.relative_to(root).as_posix()
    return ProjectScan(
        kind="full",
        project=place,
        comps=[_plain_comp(comp) for comp in found.comps],
        footage=[_footage(item, root, item.id in used) for item in found.footage],
        fonts=found.fonts,
        substituted=found.substituted,
        notes=[_substituted(font) for font in found.substituted],
    )


def _read(desk: Desk, nonce: str) -> ScanResult:
    """Return the result; an exception of After Effects' that names its cause is that failure."""
    try:
        return desk.read(ScanResult, nonce, CODE)
    except AerenderFailed as error:
        told = code_of_line(str(error))
        if told == UNTOLD or error.code != CODE:
            raise
        raise AerenderFailed(told, str(error), log=error.log) from error


def _footage(item: SeenFootage, root: Path, used: bool) -> ScanFootage:
    bundled = None if item.missing or not item.path else bundles.inside(item.path, root)
    if bundled and item.sequence:
        bundled = bundled.rpartition("/")[0] or None
    return ScanFootage(
        id=item.id,
        name=item.name,
        kind=item.kind,
        path=bundled or item.path,
        width=item.width,
        height=item.height,
        duration=item.duration or 0.0,
        sequence=item.sequence,
        bundled=bundled,
        # A file that only this machine has is missing for every other one.
        missing=used and (item.missing or (bool(item.path) and bundled is None)),
    )


def _plain_comp(comp: ScanComp) -> ScanComp:
    return replace(comp, layers=[_plain_layer(layer) for layer in comp.layers])


def _plain_layer(layer: ScanLayer) -> ScanLayer:
    if layer.text is None:
        return layer
    return replace(layer, text=_printable(layer.text))


def _printable(text: str) -> str:
    """Return a text without control characters; joiners and directions are a text's own."""
    return "".join(c for c in text if c in "\n\t" or unicodedata.category(c) not in ("Cc", "Cs"))


def _substituted(font: str) -> ScanNote:
    return ScanNote(
        code="font_substituted",
        place=font,
        message_en=f"The machine that looked lacks {font}; After Effects replaced it",
        message_fa=f"دستگاهی که پروژه را خواند {font} را نداشت و افترافکت جایش فونت دیگری گذاشت",
    )
