"""A stranger's zip: every trick is refused by its name, and before anything is unpacked."""

import io
import stat
import struct
import warnings
import zipfile
import zlib
from collections.abc import Callable
from pathlib import Path

import pytest

from flatrender.template.archive import ArchiveLimits, SafeArchive
from flatrender.template.problems import PackageRefused
from flatrender.testing.packages import deflated_zeros


def build(*entries: tuple[str | zipfile.ZipInfo, bytes]) -> bytes:
    buffer = io.BytesIO()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # duplicate names are the point here
        with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
            for name, data in entries:
                archive.writestr(name, data)
    return buffer.getvalue()


def codes(data: bytes, limits: ArchiveLimits | None = None) -> list[str]:
    with pytest.raises(PackageRefused) as caught:
        SafeArchive(data, limits or ArchiveLimits()).close()
    return [p.code for p in caught.value.problems]


def special(name: str, mode: int) -> zipfile.ZipInfo:
    info = zipfile.ZipInfo(name)
    info.create_system = 3
    info.external_attr = mode << 16
    return info


@pytest.mark.parametrize(
    ("name", "code"),
    [
        ("../evil.json", "path_traversal"),
        ("a/../../evil.json", "path_traversal"),
        ("a\\..\\evil.json", "path_traversal"),
        ("/etc/passwd", "absolute_path"),
        ("C:/evil.json", "absolute_path"),
        ("\\\\host\\share", "absolute_path"),
        ("a/./b.json", "entry_name_invalid"),
        ("a//b.json", "entry_name_invalid"),
        ("a/\u202egnp.json", "entry_name_invalid"),
        ("a/x y.json", "entry_name_invalid"),
        ("a/" + "x" * 300 + ".json", "entry_name_invalid"),
    ],
)
def test_a_hostile_name_is_refused(name: str, code: str) -> None:
    assert codes(build((name, b"x"))) == [code]


def test_a_name_with_nul_is_judged_whole() -> None:
    data = build(("a/xx.json", b"x")).replace(b"a/xx.json", b"a/x\0.json")
    assert codes(data) == ["entry_name_invalid"]


@pytest.mark.parametrize(
    ("mode", "code"),
    [(stat.S_IFLNK | 0o777, "symlink"), (stat.S_IFIFO | 0o644, "special_file")],
)
def test_links_and_devices_are_refused(mode: int, code: str) -> None:
    assert codes(build((special("a/x.json", mode), b"/etc/passwd"))) == [code]


def test_duplicate_names_are_refused_also_by_case() -> None:
    assert codes(build(("a/x.json", b"1"), ("a/x.json", b"2"))) == ["duplicate_entry"]
    assert codes(build(("a/x.json", b"1"), ("A/X.json", b"2"))) == ["duplicate_entry"]


def test_a_file_and_a_folder_of_one_name_are_refused() -> None:
    assert codes(build(("a", b"1"), ("a/", b""))) == ["duplicate_entry"]


def test_every_bad_entry_is_named_at_once() -> None:
    data = build(("../x", b""), ("/y", b""), ("ok.json", b"{}"))
    assert codes(data) == ["path_traversal", "absolute_path"]


def test_encrypted_entries_are_refused() -> None:
    data = bytearray(build(("a/x.json", b"secret")))
    at = data.index(b"PK\1\2") + 8
    data[at] |= 1
    assert codes(bytes(data)) == ["encrypted_entry"]


def test_other_compression_is_refused() -> None:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_LZMA) as archive:
        archive.writestr("a/x.json", b"x")
    assert codes(buffer.getvalue()) == ["compression_unsupported"]


def test_a_bomb_is_refused_by_ratio_size_and_total() -> None:
    bomb = build(("a/x.json", bytes(8 << 20)))
    assert codes(bomb) == ["compression_bomb"]
    assert codes(build(("a/x.json", b"x" * 2000)), ArchiveLimits(entry_bytes=1000)) == [
        "entry_too_large"
    ]
    two = build(("a/x.json", b"x" * 2000), ("a/y.json", b"y" * 2000))
    assert codes(two, ArchiveLimits(total_bytes=3000)) == ["total_too_large"]


def test_too_many_entries_are_refused_before_they_are_listed(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    data = build(*((f"a/{i}.json", b"") for i in range(20)))

    def never(*_: object, **__: object) -> None:
        raise AssertionError("the archive was opened")

    monkeypatch.setattr(zipfile, "ZipFile", never)
    assert codes(data, ArchiveLimits(entries=10)) == ["too_many_entries"]


def test_a_lying_entry_count_is_refused_by_what_is_there() -> None:
    data = bytearray(build(*((f"a/{i}.json", b"") for i in range(20))))
    struct.pack_into("<2H", data, len(data) - 14, 1, 1)
    assert codes(bytes(data), ArchiveLimits(entries=10)) == ["too_many_entries"]


def test_a_large_archive_is_refused_unread(tmp_path: Path) -> None:
    path = tmp_path / "big.zip"
    path.write_bytes(build(("a/x.json", b"1")) * 3)
    with pytest.raises(PackageRefused, match="at most 100"):
        SafeArchive(path, ArchiveLimits(archive_bytes=100))


def overlapping() -> bytes:
    """Two directory entries over one and the same local body (a flat bomb in small)."""
    body = deflated_zeros(1000)
    crc = zlib.crc32(bytes(1000))
    name = b"a/x.json"
    local = (
        struct.pack("<4s5H3L2H", b"PK\3\4", 20, 0, 8, 0, 0, crc, len(body), 1000, len(name), 0)
        + name
        + body
    )
    central = b"".join(
        struct.pack(
            "<4s6H3L5H2L", b"PK\1\2", 20, 20, 0, 8, 0, 0, crc, len(body), 1000,
            len(entry), 0, 0, 0, 0, 0, 0,
        ) + entry
        for entry in (b"a/x.json", b"a/y.json")
    )  # fmt: skip
    end = struct.pack("<4s4H2LH", b"PK\5\6", 0, 0, 2, 2, len(central), len(local), 0)
    return local + central + end


def test_entries_that_share_bytes_are_refused() -> None:
    assert codes(overlapping()) == ["overlapping_entries"]


@pytest.mark.parametrize(
    "wrap",
    [
        lambda data: b"#!/bin/sh\n" + data,
        lambda data: data + b"tail",
        lambda data: data[:-2] + struct.pack("<H", 4) + b"note",
        lambda data: data[: len(data) // 2],
        lambda _data: b"",
        lambda _data: b"PK\5\6" + bytes(18),
        lambda _data: b"\0" * 500,
    ],
)
def test_what_is_no_plain_archive_is_refused(wrap: Callable[[bytes], bytes]) -> None:
    assert codes(wrap(build(("a/x.json", b"{}")))) == ["zip_invalid"]


def test_a_flipped_byte_is_a_named_error() -> None:
    data = bytearray(build(("a/x.json", b"hello hello hello hello " * 20)))
    at = data.index(b"a/x.json") + len("a/x.json") + 4
    data[at] ^= 0xFF
    archive = SafeArchive(bytes(data), ArchiveLimits())
    with pytest.raises(PackageRefused) as caught:
        archive.read("a/x.json")
    assert caught.value.problems[0].code == "entry_corrupt"


def test_a_declared_size_bounds_what_is_read() -> None:
    """The directory says 10 bytes, the body unpacks to 4 MB: no more than 10 are ever made."""
    data = bytearray(build(("a/x.json", b"\0" * (4 << 20))))
    for magic, at in ((b"PK\3\4", 22), (b"PK\1\2", 24)):
        struct.pack_into("<L", data, data.index(magic) + at, 10)
    archive = SafeArchive(bytes(data), ArchiveLimits())
    with pytest.raises(PackageRefused) as caught:
        archive.read("a/x.json")
    assert caught.value.problems[0].code == "entry_corrupt"


def test_a_good_archive_reads_back(tmp_path: Path) -> None:
    path = tmp_path / "good.zip"
    path.write_bytes(build(("b.json", b"2"), ("a/", b""), ("a/x.json", b"1")))
    archive = SafeArchive(path, ArchiveLimits())
    assert archive.names == ("a/x.json", "b.json")
    assert archive.read("a/x.json") == b"1"
    assert archive.head("b.json") == b"2"
    archive.close()
