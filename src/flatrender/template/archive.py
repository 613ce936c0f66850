"""Reading a zip that a stranger made: everything is checked before a byte is unpacked.

Owns the safety of the container (names, links, sizes, ratios, overlaps). Never extracts to disk
and knows nothing of templates. Format: PKWARE APPNOTE 6.3 (sections 4.3.6, 4.3.16, 4.4).
"""

import hashlib
import io
import re
import shutil
import stat
import struct
import unicodedata
import zipfile
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import IO, BinaryIO, Never

from flatrender.template.problems import PackageProblem, PackageRefused, problem

_EOCD = struct.Struct("<4s4H2LH")
_LOCAL_HEADER_BYTES = 30
_NAME_MAX = 200
_DIRECTORY_ENTRY_REST = 46 + 64  # header, extra fields and comment of a directory's entry
_NAME = re.compile(r"[A-Za-z0-9_.\-]+(/[A-Za-z0-9_.\-]+)*/?")
_ENCRYPTED_BITS = 0x1 | 0x40 | 0x2000  # traditional, strong, masked headers


@dataclass(frozen=True, slots=True)
class ArchiveLimits:
    """Bounds on one archive, in bytes and counts; ``ratio`` applies above ``ratio_floor``."""

    archive_bytes: int = 256 * 1024 * 1024
    entries: int = 2_000
    entry_bytes: int = 128 * 1024 * 1024
    total_bytes: int = 512 * 1024 * 1024
    ratio: int = 200  # Bodymovin JSON deflates 10 to 60 times; a bomb a thousand times
    ratio_floor: int = 1024 * 1024


@dataclass(frozen=True, slots=True)
class NameRule:
    """Which names entries may have: ``problem`` returns a code or None; ``longest`` in bytes.

    Paths that leave the archive are refused before it is asked.
    """

    problem: Callable[[str], str | None]
    longest: int


def _plain(name: str) -> str | None:
    bad = len(name) > _NAME_MAX or "." in name.split("/") or not _NAME.fullmatch(name)
    return "entry_name_invalid" if bad else None


#: Names that mean the same everywhere: letters, digits, dot, dash, underscore.
PLAIN_NAMES = NameRule(_plain, _NAME_MAX)


class SafeArchive:
    """An opened zip whose every entry passed the checks; closed with ``close()`` or ``with``.

    Raises ``PackageRefused`` naming every bad entry at once.
    """

    def __init__(
        self, source: Path | bytes, limits: ArchiveLimits, names: NameRule = PLAIN_NAMES
    ) -> None:
        stream = io.BytesIO(source) if isinstance(source, bytes) else source.open("rb")
        try:
            self.size = stream.seek(0, io.SEEK_END)
            if self.size > limits.archive_bytes:
                _refuse(
                    problem("package_too_large", "", size=self.size, limit=limits.archive_bytes)
                )
            _check_directory(stream, self.size, limits, names)
            stream.seek(0)
            self.sha256 = _sha256(stream)
            try:
                self._zip = zipfile.ZipFile(stream)
            except (zipfile.BadZipFile, NotImplementedError, ValueError, OSError) as error:
                _refuse(problem("zip_invalid", "", reason=error))
            problems, self._entries = _check_entries(self._zip.infolist(), limits, names)
            if problems:
                raise PackageRefused(problems)
        except BaseException:
            stream.close()
            raise
        self._stream = stream

    @property
    def names(self) -> tuple[str, ...]:
        """Return the names of all files, sorted."""
        return tuple(sorted(self._entries))

    def __contains__(self, name: object) -> bool:
        """Return whether the archive holds this file."""
        return name in self._entries

    def file_size(self, name: str) -> int:
        """Return the unpacked size in bytes. Raises KeyError."""
        return self._entries[name].file_size

    def read(self, name: str) -> bytes:
        """Return one file. Raises ``PackageRefused``: ``entry_missing`` or ``entry_corrupt``."""
        info = self._entries.get(name)
        if info is None:
            _refuse(problem("entry_missing", name, path=name))
        try:
            # zipfile never yields more than the directory's size, and checks the CRC at the end.
            return self._zip.read(info)
        except (zipfile.BadZipFile, zlib.error, EOFError, OSError, NotImplementedError) as error:
            _refuse(problem("entry_corrupt", name, reason=error))

    def copy(self, name: str, target: IO[bytes]) -> None:
        """Write one file to ``target`` piece by piece. Raises like ``read``."""
        info = self._entries.get(name)
        if info is None:
            _refuse(problem("entry_missing", name, path=name))
        try:
            with self._zip.open(info) as stream:
                shutil.copyfileobj(stream, target, 1 << 20)
        except (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError) as error:
            _refuse(problem("entry_corrupt", name, reason=error))

    def head(self, name: str, count: int = 16) -> bytes:
        """Return the first bytes of one file. Raises like ``read``."""
        try:
            with self._zip.open(self._entries[name]) as stream:
                return stream.read(count)
        except (zipfile.BadZipFile, zlib.error, EOFError, OSError, NotImplementedError) as error:
            _refuse(problem("entry_corrupt", name, reason=error))

    def close(self) -> None:
        """Release the file."""
        self._zip.close()
        self._stream.close()

    def __del__(self) -> None:
        """Release the file of an archive that was dropped unclosed (a cache that forgot it)."""
        if hasattr(self, "_stream"):
            self.close()


def _refuse(reason: PackageProblem) -> Never:
    raise PackageRefused([reason])


def _sha256(stream: BinaryIO) -> str:
    digest = hashlib.sha256()
    while block := stream.read(1 << 20):
        digest.update(block)
    return digest.hexdigest()


def _check_directory(stream: BinaryIO, size: int, limits: ArchiveLimits, names: NameRule) -> None:
    """Check the end record before zipfile builds an object per entry (APPNOTE 4.3.16).

    The record must be the last 22 bytes: a comment could hide a second one, and readers would
    differ in which they believe.
    """
    if size < _EOCD.size:
        _refuse(problem("zip_invalid", "", reason="too short"))
    stream.seek(0)
    head = stream.read(4)
    stream.seek(size - _EOCD.size)
    magic, _, _, _, count, directory_bytes, offset, _ = _EOCD.unpack(stream.read(_EOCD.size))
    if magic != b"PK\5\6":
        _refuse(problem("zip_invalid", "", reason="no end record in the last 22 bytes"))
    if count == 0xFFFF or 0xFFFFFFFF in {directory_bytes, offset}:
        _refuse(problem("zip64_refused", ""))
    # The count is only a claim; the directory's size bounds how many entries there can be.
    possible = max(count, directory_bytes // (_DIRECTORY_ENTRY_REST + names.longest))
    if possible > limits.entries:
        _refuse(problem("too_many_entries", "", count=possible, limit=limits.entries))
    if head != b"PK\3\4" or offset + directory_bytes + _EOCD.size != size:
        _refuse(problem("zip_invalid", "", reason="foreign data around the archive"))


def _name_problem(name: str, rule: NameRule) -> str | None:
    """Return the code of what is wrong with an entry's name, or None."""
    parts = re.split(r"[/\\]", name)
    if name.startswith(("/", "\\")) or re.match(r"[A-Za-z]:", name):
        return "absolute_path"
    if ".." in parts:
        return "path_traversal"
    return rule.problem(name)


def _check_entries(
    infos: list[zipfile.ZipInfo], limits: ArchiveLimits, names: NameRule
) -> tuple[list[PackageProblem], dict[str, zipfile.ZipInfo]]:
    if len(infos) > limits.entries:
        _refuse(problem("too_many_entries", "", count=len(infos), limit=limits.entries))
    problems: list[PackageProblem] = []
    entries: dict[str, zipfile.ZipInfo] = {}
    folded: set[str] = set()
    total = 0
    for info in infos:
        # orig_filename: zipfile cuts the other one at NUL and rewrites separators.
        name = info.orig_filename
        found = [code for code in (_name_problem(name, names),) if code]
        # Folders compare without their slash; names without case, as Windows and macOS nodes do.
        # One spelling of accents: what macOS writes apart and Windows together is one name.
        key = unicodedata.normalize("NFC", name.rstrip("/")).casefold()
        if key in folded:
            found.append("duplicate_entry")
        folded.add(key)
        kind = stat.S_IFMT(info.external_attr >> 16)
        if kind == stat.S_IFLNK:
            found.append("symlink")
        elif kind not in (0, stat.S_IFREG, stat.S_IFDIR):
            found.append("special_file")
        if info.flag_bits & _ENCRYPTED_BITS:
            found.append("encrypted_entry")
        if info.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
            found.append("compression_unsupported")
        shown = name.encode("ascii", "backslashreplace").decode()[:_NAME_MAX]
        problems += [problem(code, shown) for code in found]
        total += info.file_size
        if info.file_size > limits.entry_bytes:
            problems.append(
                problem("entry_too_large", shown, size=info.file_size, limit=limits.entry_bytes)
            )
        ratio = info.file_size // max(info.compress_size, 1)
        if info.file_size > limits.ratio_floor and ratio > limits.ratio:
            problems.append(problem("compression_bomb", shown, ratio=ratio, limit=limits.ratio))
        if name.endswith("/"):
            if info.file_size:
                problems.append(problem("entry_name_invalid", shown))
            continue
        entries[name] = info
    if total > limits.total_bytes:
        problems.append(problem("total_too_large", "", size=total, limit=limits.total_bytes))
    return problems + _overlaps(infos), entries


def _overlaps(infos: list[zipfile.ZipInfo]) -> list[PackageProblem]:
    """Find entries that share bytes: a flat bomb counts one body thousands of times."""
    end = 0
    for info in sorted(infos, key=lambda entry: entry.header_offset):
        if info.header_offset < end:
            shown = info.orig_filename.encode("ascii", "backslashreplace").decode()[:_NAME_MAX]
            return [problem("overlapping_entries", shown)]
        name_bytes = len(info.orig_filename.encode())
        end = info.header_offset + _LOCAL_HEADER_BYTES + name_bytes + info.compress_size
    return []
