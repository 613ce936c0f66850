"""Project files: what After Effects wrote, against its own exports; and files that lie."""

import json
import struct
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from flatrender.testing import aep
from flatrender_content.aep.cos import dig, parse
from flatrender_content.aep.errors import ProjectRefused
from flatrender_content.aep.reader import read_project
from flatrender_content.aep.rifx import Limits

_CASES = Path(__file__).parents[3].parent / "shared" / "lottie-ae"
_PROJECTS = sorted(_CASES.glob("*/*.aep"))
_KINDS = {0: "comp", 1: "solid", 2: "image", 3: "null", 4: "shape", 5: "text"}


def simple() -> bytes:
    """A project with all that is read: folders, footage, texts, an expression."""
    scene = aep.Comp(
        id=2,
        name="صحنه",
        fps=25,
        duration=4,
        layers=[
            aep.Layer(
                name="frl_title",
                text="سلام (دنیا)\nخط دوم \\ پایان",
                fonts=("Vazirmatn-Bold", "Amiri-Regular"),
                expression="value",
            ),
            aep.Layer(name="logo", source=9, start=1, begin=1.5, end=3),
            aep.Layer(name="off", kind="shape", enabled=False),
            aep.Layer(name="n", source=8, null=True),
        ],
    )
    return aep.project(
        aep.Folder(id=5, name="a", items=[aep.Folder(id=6, name="b", items=[scene])]),
        aep.Footage(id=8, name="Null 1"),
        aep.Footage(id=9, path="C:\\x\\Clip.MOV", width=1280, height=720, duration=12.5),
    )


@pytest.mark.skipif(not _PROJECTS, reason="the After Effects cases are not beside the repository")
@pytest.mark.parametrize("path", _PROJECTS, ids=lambda p: p.stem)
def test_real_projects_agree_with_their_exports(path: Path) -> None:
    export: dict[str, Any] = json.loads(path.with_suffix(".json").read_bytes())
    comps = read_project(path.read_bytes()).comps
    assert [comp.name for comp in comps] == [export["nm"]]
    comp = comps[0]
    assert (comp.width, comp.height, comp.fps) == (export["w"], export["h"], export["fr"])
    # Bodymovin exports the work area.
    assert comp.work_start * comp.fps == pytest.approx(export["ip"], abs=0.01)
    assert comp.work_end * comp.fps == pytest.approx(export["op"], abs=0.01)
    assert comp.duration >= comp.work_end
    exported = export["layers"]
    assert [layer.name for layer in comp.layers] == [layer["nm"] for layer in exported]
    assert [layer.kind for layer in comp.layers] == [_KINDS[layer["ty"]] for layer in exported]
    places = {layer.id: index + 1 for index, layer in enumerate(comp.layers)}
    for mine, theirs in zip(comp.layers, exported, strict=True):
        assert mine.in_point * comp.fps == pytest.approx(theirs["ip"], abs=0.01)
        assert mine.out_point * comp.fps == pytest.approx(theirs["op"], abs=0.01)
        assert places.get(mine.parent_id or 0) == theirs.get("parent")


@pytest.mark.skipif(not _PROJECTS, reason="the After Effects cases are not beside the repository")
def test_a_real_projects_footage_is_the_exports_picture() -> None:
    path = _CASES / "layers" / "image-layer.aep"
    export = json.loads(path.with_suffix(".json").read_bytes())
    (item,) = read_project(path.read_bytes()).footage
    asset = export["assets"][0]
    assert (item.width, item.height, item.kind) == (asset["w"], asset["h"], "image")
    assert item.path == "Y:\\test-files\\asset.png"


def test_all_that_a_scan_tells_is_read() -> None:
    scan = read_project(simple(), name="x.aep")
    (comp,) = scan.comps
    assert (comp.folder, comp.name, comp.fps, comp.duration) == ("a/b", "صحنه", 25.0, 4.0)
    title, logo, off, null = comp.layers
    assert title.text == "سلام (دنیا)\nخط دوم \\ پایان"
    assert title.fonts == ["Vazirmatn-Bold", "Amiri-Regular"]
    assert title.expressions == ["ADBE Opacity"]
    assert (logo.kind, logo.in_point, logo.out_point) == ("video", 1.5, 3.0)
    assert (off.kind, off.enabled) == ("shape", False)
    assert null.kind == "null"
    assert scan.fonts == ["Amiri-Regular", "Vazirmatn-Bold"]
    assert [(f.name, f.duration) for f in scan.footage] == [("Null 1", 0.0), ("Clip.MOV", 12.5)]


@pytest.mark.parametrize(
    ("damage", "code"),
    [
        (lambda d: b"RIFF" + d[4:], "not_a_project"),
        (lambda d: d[:8] + b"Egg?" + d[12:], "not_a_project"),
        (lambda d: d[: len(d) // 2], "file_truncated"),
        (lambda d: d[:4] + struct.pack(">I", 2**32 - 1) + d[8:], "file_truncated"),
        (lambda d: _lie(d, b"LIST", 2**31), "chunk_truncated"),
        (lambda d: _lie(d, b"LIST", 2), "chunk_too_short"),
        (lambda d: _lie(d, b"cdta", 2**31), "chunk_truncated"),
        (lambda d: _time(d, 5, 0), "value_invalid"),
        (lambda d: _time(d, 2**31, 1), "value_invalid"),
        (lambda _: aep.project(), "no_comps"),
        (lambda _: aep.project(aep.Comp(id=1, name="a", width=0)), "value_invalid"),
        (lambda _: aep.project(aep.Comp(id=1, name="a", fps=0)), "value_invalid"),
        (lambda _: aep.project(aep.Comp(id=1, name="a", duration=0)), "value_invalid"),
        (
            lambda _: aep.project(aep.Comp(id=1, name="a"), aep.Comp(id=1, name="b")),
            "duplicate_item",
        ),
    ],
)
def test_a_damaged_file_is_refused_by_name_and_place(damage: Any, code: str) -> None:
    with pytest.raises(ProjectRefused) as refused:
        read_project(damage(simple()))
    assert refused.value.code == code
    assert 0 <= refused.value.offset <= len(simple())
    assert refused.value.message_fa
    assert refused.value.message_en


def _lie(data: bytes, chunk: bytes, size: int) -> bytes:
    at = data.index(chunk) + 4
    return data[:at] + struct.pack(">I", size) + data[at + 4 :]


def _time(data: bytes, above: int, below: int) -> bytes:
    """Write another duration into the comp."""
    at = data.index(b"cdta") + 8 + 44
    return data[:at] + struct.pack(">II", above, below) + data[at + 8 :]


def _nested(depth: int) -> bytes:
    inner = aep.chunk(b"tdsb", bytes(4))
    for _ in range(depth):
        inner = aep.lst(b"tdgp", inner)
    layer = aep.lst(b"Layr", inner)
    comp = aep.project(aep.Comp(id=1, name="a"))
    at = comp.index(b"cdta") + 4 + 4 + 204
    body = comp[:at] + layer + comp[at:]
    return _grown(body, len(layer))


def _grown(data: bytes, more: int) -> bytes:
    """Enlarge the sizes of all that holds the comp: RIFX, Fold, Item."""
    out = bytearray(data)
    for at in (4, out.index(b"Fold") - 4, out.index(b"Item") - 4):
        (size,) = struct.unpack_from(">I", out, at)
        struct.pack_into(">I", out, at, size + more)
    return bytes(out)


@pytest.mark.parametrize(
    ("data", "limits", "code"),
    [
        (_nested(60), Limits(), "too_deep"),
        (simple(), Limits(chunks=20), "too_many_chunks"),
        (simple(), Limits(items=2), "too_many_items"),
        (simple(), Limits(layers=3), "too_many_layers"),
        (simple(), Limits(file_bytes=100), "project_too_large"),
    ],
)
def test_every_bound_holds(data: bytes, limits: Limits, code: str) -> None:
    with pytest.raises(ProjectRefused) as refused:
        read_project(data, limits)
    assert refused.value.code == code


def test_time_is_bounded() -> None:
    many = b"".join(aep.chunk(b"junk", b"") for _ in range(5000))
    data = simple()
    end = 8 + int.from_bytes(data[4:8], "big")
    grown = data[:4] + struct.pack(">I", end - 8 + len(many)) + data[8:end] + many
    with pytest.raises(ProjectRefused) as refused:
        read_project(grown, Limits(seconds=-1))
    assert refused.value.code == "took_too_long"


def test_a_text_that_cannot_be_read_is_a_note_and_no_end() -> None:
    data = simple().replace(b"/CoolTypeFont", b"/CoolType>>nt", 1)
    scan = read_project(data)
    assert scan.notes[0].code == "text_invalid"
    assert scan.notes[0].place.startswith("صحنه/frl_title@")
    assert scan.comps[0].layers[0].kind == "text"


_BASE = simple()


def _readable_or_placed(data: bytes) -> bool:
    """Whether a file gives comps, or a refusal that names a byte of it; nothing else may happen."""
    try:
        return bool(read_project(data).comps)
    except ProjectRefused as refused:
        return 0 <= refused.offset <= len(_BASE)


@settings(max_examples=400, deadline=None)
@given(st.data())
def test_flipped_and_cut_bytes_give_a_scan_or_a_refusal(data: st.DataObject) -> None:
    broken = bytearray(_BASE)
    for _ in range(data.draw(st.integers(1, 8))):
        at = data.draw(st.integers(0, len(broken) - 1))
        broken[at] = data.draw(st.integers(0, 255))
    cut = data.draw(st.one_of(st.none(), st.integers(0, len(broken))))
    assert _readable_or_placed(bytes(broken[:cut]))


@settings(max_examples=300, deadline=None)
@given(st.data())
def test_lies_about_lengths_give_a_scan_or_a_refusal(data: st.DataObject) -> None:
    broken = bytearray(_BASE)
    names = [b"LIST", b"cdta", b"ldta", b"idta", b"Utf8", b"tdmn", b"sspc", b"opti", b"alas"]
    name = data.draw(st.sampled_from(names))
    places = [i for i in range(len(broken)) if broken[i : i + 4] == name]
    at = data.draw(st.sampled_from(places)) + 4
    size = data.draw(st.one_of(st.integers(0, 300), st.integers(0, 2**32 - 1)))
    struct.pack_into(">I", broken, at, size)
    assert _readable_or_placed(bytes(broken))


@settings(max_examples=300, deadline=None)
@given(st.binary(max_size=300))
def test_any_bytes_for_a_text_document_parse_or_are_refused(data: bytes) -> None:
    code = "text_invalid"
    try:
        parse(data)
    except ProjectRefused as refused:
        code = refused.code
    assert code == "text_invalid"


@given(st.text(max_size=60), st.lists(st.sampled_from(["A-Bold", "B"]), min_size=1, max_size=3))
def test_any_text_survives_its_document(text: str, fonts: list[str]) -> None:
    document = parse(aep.text_document(text.encode("utf-8", "replace").decode(), fonts))
    words = dig(document, "1", "1", 0, "0", "0")
    assert words == text.encode("utf-8", "replace").decode().replace("\n", "\r") + "\r"


@pytest.mark.parametrize("bad", [b"/0 <<", b">>", b"/0 (abc", b"1", b"/0 [ >>", b"<< /0 >>"])
def test_broken_notation_is_refused(bad: bytes) -> None:
    with pytest.raises(ProjectRefused):
        parse(bad)


def test_nesting_of_notation_is_bounded() -> None:
    with pytest.raises(ProjectRefused, match="nested too deep"):
        parse(b"/0 " + b"[" * 100_000)


def test_control_characters_stay_out_of_texts() -> None:
    layer = aep.Layer(name="frl_t\x1b[2J", text="a\x1b[2Jb\tc\nd\u200c\u202be")
    (comp,) = read_project(aep.project(aep.Comp(id=1, name="x", layers=[layer]))).comps
    assert comp.layers[0].text == "a[2Jb\tc\nd\u200c\u202be"  # joiners and directions are text
    assert comp.layers[0].name == "frl_t[2J"
