"""The bundle of an After Effects template: one project, its footage, what is known of both.

Owns laying a bundle out on the disk for After Effects. A bundle is a zip with one ``.aep`` and its
files beside it (``flatrender.template.after_effects``), or a bare ``.aep``. Its ``flatrender.json``
may say more than the naming convention does.
"""

import contextlib
import hashlib
import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import msgspec
from msgspec import Struct

from flatrender.template.after_effects import (
    BUNDLE_NAMES,
    MANIFEST,
    AepManifest,
    AepScene,
    open_bundle,
    project_name,
    useful_names,
)
from flatrender.template.archive import SafeArchive
from flatrender.template.problems import PackageRefused
from flatrender_render.engines import TemplateBroken
from flatrender_render.engines.aerender.failures import AerenderFailed

#: A bundle that says nothing: the naming convention has to do.
_UNTOLD = AepManifest(project="", comp="", mode="Fix")
_OTHER = "the bundle is not the one the job was made with (sha256)"


class Bundle(Struct, frozen=True, kw_only=True):
    """A bundle laid out in a folder; ``project`` is the file to open."""

    manifest: AepManifest
    project: Path

    def missing_footage(self) -> list[str]:
        """Return the footage that the manifest names and the bundle has not, or has empty."""
        root = self.project.parent
        return [
            name
            for name in self.manifest.footage
            if not (root / name).is_file() or not (root / name).stat().st_size
        ]


def unpack(package: Path, sha256: str, folder: Path) -> Bundle:
    """Lay out a bundle in ``folder``. Raises ``TemplateBroken`` or ``AerenderFailed``."""
    if is_project(package):
        with package.open("rb") as stream:
            found = hashlib.file_digest(stream, "sha256").hexdigest()
        if found != sha256:
            raise TemplateBroken(_OTHER)
        project = folder / "project.aep"
        shutil.copyfile(package, project)
        return Bundle(manifest=_UNTOLD, project=project)
    with _opened(package) as archive:
        if archive.sha256 != sha256:
            raise TemplateBroken(_OTHER)
        manifest = _manifest(archive)
        for name in useful_names(archive):
            target = folder / name
            target.parent.mkdir(parents=True, exist_ok=True)
            with target.open("wb") as file:
                archive.copy(name, file)
        project = folder / (manifest.project or project_name(archive))
    if not is_project(project):
        raise AerenderFailed("package_broken", f"{project.name} is no After Effects project")
    return Bundle(manifest=manifest, project=project)


def manifest_of(package: Path) -> AepManifest:
    """Return what a bundle says of itself. Raises ``TemplateBroken`` or ``AerenderFailed``."""
    if is_project(package):
        return _UNTOLD
    with _opened(package) as archive:
        return _manifest(archive)


def inside(path: str, root: Path) -> str | None:
    """Return a machine's path as a name below ``root``, None for what lies elsewhere."""
    for known in (path, os.path.realpath(path)):
        try:
            name = Path(known).relative_to(root)
        except ValueError:
            continue
        if ".." not in name.parts:
            return name.as_posix()
    return None


def scene_of(manifest: AepManifest, key: str) -> AepScene | None:
    """Return what is known of a scene, if anything."""
    return next((scene for scene in manifest.scenes if scene.key == key), None)


def is_project(path: Path) -> bool:
    """Return whether a file begins as After Effects projects do."""
    try:
        with path.open("rb") as stream:
            return stream.read(4) == b"RIFX"
    except OSError:
        return False


@contextlib.contextmanager
def _opened(package: Path) -> Iterator[SafeArchive]:
    try:
        archive = open_bundle(package)
        try:
            yield archive
        finally:
            archive.close()
    except PackageRefused as error:
        raise TemplateBroken(f"{package.name}: {error}") from error


def _manifest(archive: SafeArchive) -> AepManifest:
    if MANIFEST not in archive:
        return _UNTOLD
    try:
        manifest = msgspec.json.decode(archive.read(MANIFEST), type=AepManifest)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise AerenderFailed("package_broken", f"{MANIFEST}: {error}") from error
    # A designer may have written it: a path that leaves the bundle would open files of the
    # machine's, or of others' shares, where Windows signs in by itself.
    strays = [name for name in manifest.footage if BUNDLE_NAMES.problem(name) is not None]
    if manifest.project and manifest.project not in useful_names(archive):
        strays.append(manifest.project)
    if strays:
        told = ", ".join(map(repr, strays[:20]))[:1000]
        raise AerenderFailed("package_broken", f"{MANIFEST} names what the bundle has not: {told}")
    return manifest
