"""The template package: opening one safely, checking it deeply, writing one.

A package is a dotLottie v2 zip (``manifest.json``, ``a/``, ``i/``, ``f/``, ``t/``) that also
holds ``flatrender.json`` and ``u/`` (audio). Owns the door to all of it. Never extracts to disk,
never renders, never trusts a name or a size in the archive.
"""

import io
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Self

import msgspec

from flatrender.template.archive import ArchiveLimits, SafeArchive
from flatrender.template.checks import MANIFEST, Checker
from flatrender.template.decode import collect
from flatrender.template.manifest import Aspect, Font, Preset, Scene, TemplateManifest, Variant
from flatrender.template.media_kinds import has_place
from flatrender.template.problems import PackageProblem, PackageRefused, problem

__all__ = [
    "ArchiveLimits",
    "PackageProblem",
    "PackageRefused",
    "TemplatePackage",
    "check_package",
    "pack_folder",
    "write_package",
]

DOTLOTTIE = "manifest.json"
_MANIFEST_BYTES = 4 * 1024 * 1024
_EPOCH = (1980, 1, 1, 0, 0, 0)  # the earliest time a zip can say
_DEFLATED = {"json", "txt", "ttf", "otf", "wav"}


class TemplatePackage:
    """An opened package that passed every check. Close it, or use it in a ``with``."""

    def __init__(
        self, archive: SafeArchive, manifest: TemplateManifest, warnings: list[PackageProblem]
    ) -> None:
        self._archive = archive
        self.manifest = manifest
        self.warnings = tuple(warnings)
        self.sha256 = archive.sha256
        self.size = archive.size

    @classmethod
    def open(cls, source: Path | bytes, limits: ArchiveLimits | None = None) -> Self:
        """Open and check a package from a file or from its bytes.

        Raises ``PackageRefused`` with every problem found, and ``OSError`` for an unreadable path.
        """
        archive = SafeArchive(source, limits or ArchiveLimits())
        try:
            manifest, problems = _check(archive)
            if manifest is None or any(p.level == "error" for p in problems):
                raise PackageRefused(sorted(problems, key=lambda p: p.level != "error"))
        except BaseException:
            archive.close()
            raise
        return cls(archive, manifest, problems)

    @property
    def names(self) -> tuple[str, ...]:
        """Return the paths of all entries, sorted."""
        return self._archive.names

    def __contains__(self, path: object) -> bool:
        """Return whether the package holds this entry."""
        return path in self._archive

    def read(self, path: str) -> bytes:
        """Return one entry. Raises ``PackageRefused`` (``entry_missing``, ``entry_corrupt``)."""
        return self._archive.read(path)

    def animation(self, name: str) -> bytes:
        """Return ``a/<name>.json``. Raises ``PackageRefused``."""
        return self.read(f"a/{name}.json")

    def fonts(self) -> list[tuple[Font, bytes]]:
        """Return the fonts with their bytes, in the manifest's order."""
        return [(font, self.read(font.path)) for font in self.manifest.fonts]

    def images(self) -> dict[str, bytes]:
        """Return the pictures by the base name that animations use."""
        return {n[2:]: self.read(n) for n in self.names if n.startswith("i/")}

    def poster(self) -> bytes | None:
        """Return ``poster.png``, or None."""
        return self.read("poster.png") if "poster.png" in self else None

    def variant(self, aspect: Aspect) -> Variant | None:
        """Return the variant of an aspect, or None."""
        return next((v for v in self.manifest.variants if v.aspect == aspect), None)

    def scene(self, aspect: Aspect, key: str) -> Scene | None:
        """Return one scene of a variant by its key, or None."""
        variant = self.variant(aspect)
        return next((s for s in variant.scenes if s.key == key), None) if variant else None

    def close(self) -> None:
        """Release the file."""
        self._archive.close()

    def __enter__(self) -> Self:
        """Return self."""
        return self

    def __exit__(self, *_: object) -> None:
        """Close."""
        self.close()


def check_package(
    source: Path | bytes, limits: ArchiveLimits | None = None
) -> list[PackageProblem]:
    """Return every error and warning of a package; an empty list means a clean one."""
    try:
        with TemplatePackage.open(source, limits) as package:
            return list(package.warnings)
    except PackageRefused as refused:
        return refused.problems


def _check(archive: SafeArchive) -> tuple[TemplateManifest | None, list[PackageProblem]]:
    problems = [problem("unexpected_entry", n) for n in archive.names if not has_place(n)]
    problems += _check_dotlottie(archive)
    manifest, found = _decode_manifest(archive)
    problems += found
    if manifest is not None:
        problems += Checker(manifest, archive).run()
    return manifest, problems


def _read_json(archive: SafeArchive, name: str) -> tuple[object, list[PackageProblem]]:
    if name not in archive:
        return None, [problem("entry_missing", name, path=name)]
    if archive.file_size(name) > _MANIFEST_BYTES:
        size = archive.file_size(name)
        return None, [problem("entry_too_large", name, size=size, limit=_MANIFEST_BYTES)]
    try:
        return _parse_json(archive.read(name), name), []
    except PackageRefused as refused:
        return None, refused.problems


def _parse_json(data: bytes, name: str) -> object:
    try:
        value: object = msgspec.json.decode(data)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise PackageRefused([problem("json_invalid", name, reason=error)]) from error
    return value


def _decode_manifest(
    archive: SafeArchive,
) -> tuple[TemplateManifest | None, list[PackageProblem]]:
    raw, problems = _read_json(archive, MANIFEST)
    if problems:
        return None, problems
    problems = collect(raw, TemplateManifest, MANIFEST)
    return (None, problems) if problems else (msgspec.convert(raw, TemplateManifest), [])


def _check_dotlottie(archive: SafeArchive) -> list[PackageProblem]:
    """Check ``manifest.json`` (dotLottie 2.0 specification, "Manifest") against the folders."""
    raw, problems = _read_json(archive, DOTLOTTIE)
    if problems:
        return problems
    if not isinstance(raw, dict):
        return [problem("type_invalid", DOTLOTTIE, reason="Expected `object`")]
    if raw.get("version") != "2":
        problems.append(
            problem("format_unsupported", DOTLOTTIE, "/version", version=raw.get("version"))
        )
    listed = {"animations": _ids(raw, "animations"), "themes": _ids(raw, "themes")}
    for index, name in enumerate(listed["animations"]):
        if f"a/{name}.json" not in archive:
            place = f"/animations/{index}"
            problems.append(problem("animation_missing", DOTLOTTIE, place, name=name))
    for index, name in enumerate(listed["themes"]):
        if f"t/{name}.json" not in archive:
            problems.append(problem("theme_missing", DOTLOTTIE, f"/themes/{index}", name=name))
    for path in archive.names:
        folder, _, rest = path.partition("/")
        stem = rest.removesuffix(".json")
        if folder == "a" and stem != rest and stem not in listed["animations"]:
            problems.append(problem("animation_unlisted", DOTLOTTIE, "/animations", name=stem))
    return problems


def _ids(raw: dict[str, object], member: str) -> list[str]:
    items = raw.get(member)
    return [
        item["id"]
        for item in (items if isinstance(items, list) else [])
        if isinstance(item, dict) and isinstance(item.get("id"), str)
    ]


def write_package(manifest: TemplateManifest, entries: Mapping[str, bytes]) -> bytes:
    """Return the zip of a package: the same input gives the same bytes.

    ``manifest.json``, ``flatrender.json`` and a theme per preset are written from ``manifest``;
    ``entries`` are the other files by path. The result is not checked: open it to check it.
    """
    files = dict(entries)
    animations = sorted(
        n[2:].removesuffix(".json") for n in files if n.startswith("a/") and n.endswith(".json")
    )
    files[MANIFEST] = msgspec.json.format(msgspec.json.encode(manifest), indent=1)
    for preset in manifest.presets:
        files.setdefault(f"t/{preset.key}.json", _theme(preset))
    themes = sorted(n[2:].removesuffix(".json") for n in files if n.startswith("t/"))
    files[DOTLOTTIE] = msgspec.json.encode(
        {
            "version": "2",
            "generator": "FlatRender",
            "animations": [{"id": name} for name in animations],
            "themes": [{"id": name} for name in themes],
        }
    )
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        # manifest.json first, so that the format can be told from the first bytes.
        for name in sorted(files, key=lambda n: (n != DOTLOTTIE, n != MANIFEST, n)):
            info = zipfile.ZipInfo(name, date_time=_EPOCH)
            info.create_system = 3  # Unix, whatever machine writes it
            info.external_attr = 0o100644 << 16
            packed = name.rpartition(".")[2].lower() in _DEFLATED
            info.compress_type = zipfile.ZIP_DEFLATED if packed else zipfile.ZIP_STORED
            archive.writestr(info, files[name], compresslevel=9)
    return buffer.getvalue()


def pack_folder(folder: Path) -> tuple[bytes, list[str]]:
    """Return the package of a folder, as ``write_package`` makes it, and what was left out.

    Hidden files are passed over; other files without a place in a package are left out. Raises
    ``PackageRefused`` when ``flatrender.json`` is missing or not a manifest, and ``OSError``.
    """
    try:
        raw = _parse_json((folder / MANIFEST).read_bytes(), MANIFEST)
    except FileNotFoundError:
        raise PackageRefused([problem("entry_missing", MANIFEST, path=MANIFEST)]) from None
    if problems := collect(raw, TemplateManifest, MANIFEST):
        raise PackageRefused(problems)
    found = [path.relative_to(folder) for path in sorted(folder.rglob("*")) if path.is_file()]
    names = [p.as_posix() for p in found if not any(part.startswith(".") for part in p.parts)]
    written = (MANIFEST, DOTLOTTIE)
    entries = {n: (folder / n).read_bytes() for n in names if has_place(n) and n not in written}
    manifest = msgspec.convert(raw, TemplateManifest)
    return write_package(manifest, entries), [n for n in names if not has_place(n)]


def _theme(preset: Preset) -> bytes:
    """Write a preset as a dotLottie 2.0 theme: one Color rule per slot, components 0..1."""
    rules = [
        {
            "id": key,
            "type": "Color",
            "value": [round(int(hexa[i : i + 2], 16) / 255, 6) for i in range(1, len(hexa), 2)],
        }
        for key, hexa in sorted(preset.colors.items())
    ]
    return msgspec.json.encode({"rules": rules})
