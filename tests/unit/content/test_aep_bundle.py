"""Bundles: what is refused, and which file of them a reference means."""

import io
import stat
import zipfile
from pathlib import Path

import pytest

from flatrender.template.after_effects import AepManifest, open_bundle, write_bundle
from flatrender.template.archive import ArchiveLimits
from flatrender.template.problems import PackageRefused
from flatrender.testing import aep
from flatrender_content.aep.bundle import match_footage, scan_file
from flatrender_content.aep.reader import read_project

_AEP = aep.project(
    aep.Comp(
        id=1,
        name="frfinal",
        layers=[aep.Layer(name="a", source=9), aep.Layer(name="b", source=10)],
    ),
    aep.Footage(id=9, path="/Users/Sara/Job/(Footage)/Logo 1.PNG"),
    aep.Footage(id=10, path="D:\\other\\clip.mov", duration=3),
    aep.Footage(id=11, path="D:\\other\\unused.wav"),
    aep.Footage(id=12, path="D:\\frames\\seq", folder=True),
)


def made(**files: bytes) -> bytes:
    """A zip of ``files``."""
    return _zip([(zipfile.ZipInfo(name), data) for name, data in files.items()])


def _zip(entries: list[tuple[zipfile.ZipInfo, bytes]]) -> bytes:
    target = io.BytesIO()
    with zipfile.ZipFile(target, "w") as archive:
        for info, data in entries:
            archive.writestr(info, data)
    return target.getvalue()


def codes(data: bytes, limits: ArchiveLimits | None = None) -> set[tuple[str, str]]:
    """Every reason and its place."""
    with pytest.raises(PackageRefused) as refused:
        open_bundle(data, limits or ArchiveLimits()).close()
    return {(p.path, p.code) for p in refused.value.problems}


@pytest.mark.parametrize(
    ("name", "code"),
    [
        ("../out.aep", "path_traversal"),
        ("a/../../out", "path_traversal"),
        ("a\\..\\b", "path_traversal"),
        ("/etc/passwd", "absolute_path"),
        ("\\share", "absolute_path"),
        ("C:/x", "absolute_path"),
        ("CON", "name_reserved"),
        ("a/nul.png", "name_reserved"),
        ("a/Com1.tar.png", "name_reserved"),
        ("lpt9 .txt", "name_reserved"),
        ("COM\u00b9.png", "name_reserved"),
        ("a/ends.", "name_unsafe"),
        ("a /b", "name_unsafe"),
        ("a/b:c", "name_unsafe"),
        ("a/b?c", "name_unsafe"),
        ("a//b", "name_unsafe"),
        ("a/\u202egnp.exe", "name_unsafe"),
        ("a/\x07", "name_unsafe"),
        ("x" * 201, "name_unsafe"),
        ("/".join(["folder"] * 80), "name_unsafe"),
        ("inner.zip", "nested_archive"),
        ("inner.RAR", "nested_archive"),
    ],
)
def test_names_that_no_machine_should_write_are_refused(name: str, code: str) -> None:
    found = {c for _, c in codes(made(**{"a.aep": _AEP, name: b"x"}))}
    assert found == {code}


def test_every_reason_is_told_at_once_with_its_place() -> None:
    data = made(**{"a.aep": _AEP, "../x": b"", "aux": b"", "A.AEP": _AEP, "b.7z": b""})
    assert codes(data) >= {
        ("../x", "path_traversal"),
        ("aux", "name_reserved"),
        ("A.AEP", "duplicate_entry"),
    }


@pytest.mark.parametrize(
    ("one", "other"), [("Logo.png", "logo.PNG"), ("caf\u00e9.png", "cafe\u0301.png")]
)
def test_names_that_meet_on_some_machine_are_refused(one: str, other: str) -> None:
    assert {c for _, c in codes(made(**{"a.aep": _AEP, one: b"", other: b""}))} == {
        "duplicate_entry"
    }


def test_links_are_refused() -> None:
    link = zipfile.ZipInfo("link")
    link.external_attr = (stat.S_IFLNK | 0o777) << 16
    assert ("link", "symlink") in codes(_zip([(link, b"/etc/passwd")]))


def test_a_file_that_is_also_a_folder_is_refused() -> None:
    data = made(**{"a.aep": _AEP, "x": b"", "x/y": b""})
    assert codes(data) == {("x", "file_is_folder")}


def test_an_archive_under_another_name_is_refused() -> None:
    data = made(**{"a.aep": _AEP, "picture.png": made(b=b"")})
    assert codes(data) == {("picture.png", "nested_archive")}


def test_encrypted_entries_are_refused() -> None:
    data = bytearray(made(**{"a.aep": _AEP}))
    at = data.index(b"PK\1\2") + 8
    data[at] |= 1
    assert ("a.aep", "encrypted_entry") in codes(bytes(data))


def test_bombs_are_refused_by_ratio_total_and_count() -> None:
    packed = zipfile.ZipInfo("zeros.raw")
    packed.compress_type = zipfile.ZIP_DEFLATED
    bomb = _zip([(packed, bytes(4 * 2**20))])
    assert ("zeros.raw", "compression_bomb") in codes(bomb)
    limits = ArchiveLimits(total_bytes=1000, entries=5)
    assert ("", "total_too_large") in codes(made(a=bytes(600), b=bytes(600)), limits)
    many = made(**{f"f{n}": b"" for n in range(9)})
    assert ("", "too_many_entries") in codes(many, limits)


@pytest.mark.parametrize(
    ("names", "code"),
    [
        (["x.png"], "project_missing"),
        (["a.aep", "b/B.AEP"], "project_not_single"),
    ],
)
def test_a_bundle_has_exactly_one_project(tmp_path: Path, names: list[str], code: str) -> None:
    path = tmp_path / "b.zip"
    path.write_bytes(made(**dict.fromkeys(names, _AEP)))
    with pytest.raises(PackageRefused) as refused:
        scan_file(path)
    assert {p.code for p in refused.value.problems} == {code}


def test_what_finder_and_after_effects_leave_behind_does_not_count(tmp_path: Path) -> None:
    path = tmp_path / "b.zip"
    left = ["__MACOSX/._a.aep", "Adobe After Effects Auto-Save/a auto-save 1.aep", ".DS_Store"]
    path.write_bytes(made(**{"a.aep": _AEP}, **dict.fromkeys(left, _AEP)))
    assert scan_file(path).project == "a.aep"


def test_references_find_their_files_without_regard_to_case_and_place() -> None:
    names = ["Job/(footage)/LOGO 1.png", "x/logo 1.png", "Job/clips/Clip.MOV", "Job/SEQ/1.png"]
    scan = match_footage(read_project(_AEP), names)
    found = {item.id: (item.bundled, item.missing) for item in scan.footage}
    assert found == {
        9: ("Job/(footage)/LOGO 1.png", False),  # shares more of its path than the other
        10: ("Job/clips/Clip.MOV", False),
        11: (None, False),  # nothing shows it
        12: ("Job/SEQ", False),
    }
    assert scan.notes == []


def test_a_reference_that_two_files_answer_is_told() -> None:
    scan = match_footage(read_project(_AEP), ["a/clip.mov", "b/clip.mov"])
    assert [(n.code, n.place) for n in scan.notes] == [("footage_ambiguous", "D:\\other\\clip.mov")]


def test_missing_footage_is_named(tmp_path: Path) -> None:
    path = tmp_path / "a.aep"
    path.write_bytes(_AEP)
    missing = [item.path for item in scan_file(path).footage if item.missing]
    assert missing == ["/Users/Sara/Job/(Footage)/Logo 1.PNG", "D:\\other\\clip.mov"]


def test_the_bundle_for_engines_is_the_same_every_time(tmp_path: Path) -> None:
    source = tmp_path / "s.zip"
    source.write_bytes(made(**{"a.aep": _AEP, "__MACOSX/x": b"", "flatrender.json": b"old"}))
    manifest = AepManifest(project="a.aep", comp="frfinal", mode="Fix")
    for name in ("one", "two"):
        write_bundle(source, tmp_path / name, manifest)
    assert (tmp_path / "one").read_bytes() == (tmp_path / "two").read_bytes()
    archive = open_bundle(tmp_path / "one")
    try:
        assert archive.names == ("a.aep", "flatrender.json")
        assert b'"comp":"frfinal"' in archive.read("flatrender.json")
    finally:
        archive.close()
