"""Reading a whole project in a render process, as data and the doing of it."""

from collections.abc import Callable
from pathlib import Path

from msgspec import Struct

from flatrender.errors import FieldError
from flatrender.template.problems import PackageRefused
from flatrender.template.project_scan import ProjectScan
from flatrender_render.engines import EngineUnknown, ProjectScanner, engine

REASONS = 100  # of a refused bundle that are told


class ScanProject(Struct, frozen=True, kw_only=True, tag="scan"):
    """Have an engine tell what a project or bundle holds; ``name`` is a bare project's."""

    engine: str
    package: str
    package_sha256: str
    name: str


class ScanAnswer(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One of the two: what was found, or every reason why the file is none."""

    scan: ProjectScan | None = None
    errors: list[FieldError] = []


def scan_project(work: ScanProject, should_stop: Callable[[], bool]) -> ScanAnswer:
    """Read a project. Raises ``EngineError`` or ``Stopped``."""
    scanner = engine(work.engine)
    if not isinstance(scanner, ProjectScanner):
        raise EngineUnknown(f"engine {work.engine!r} reads no projects")
    try:
        found = scanner.scan(Path(work.package), work.package_sha256, work.name, should_stop)
    except PackageRefused as refused:
        return ScanAnswer(errors=list(refused.errors)[:REASONS])
    return ScanAnswer(scan=found)
