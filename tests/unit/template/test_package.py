"""A package is refused with every reason and its place, or it opens whole."""

import io
import zipfile
from pathlib import Path
from typing import Any

import jsonschema
import msgspec
import pytest

from flatrender.template.manifest import TemplateManifest, json_schema
from flatrender.template.package import (
    PackageRefused,
    TemplatePackage,
    check_package,
    write_package,
)
from flatrender.testing import packages as make

SLOT = {"type": "color", "id": "box", "name": make.label("b"), "default": "#ffffff"}


def found(data: make.Json, files: dict[str, bytes] | None = None) -> set[tuple[str, str]]:
    """Return (code, pointer) of every error of the manifest."""
    return {
        (p.code, p.pointer) for p in check_package(make.package(data, files)) if p.level == "error"
    }


def raw_package(data: object) -> bytes:
    """Return a package whose flatrender.json is any JSON at all."""
    good = msgspec.convert(make.manifest(), TemplateManifest)
    packed = write_package(good, make.entries())
    source = zipfile.ZipFile(io.BytesIO(packed))
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as target:
        for name in source.namelist():
            content = source.read(name)
            if name == "flatrender.json":
                content = data if isinstance(data, bytes) else msgspec.json.encode(data)
            target.writestr(name, content)
    return buffer.getvalue()


def test_the_tiny_package_is_clean_and_reads_back(tmp_path: Path) -> None:
    data = make.package()
    path = tmp_path / "tiny.lottie"
    path.write_bytes(data)
    with TemplatePackage.open(path) as package:
        assert package.warnings == ()
        assert package.manifest.slug == "tiny"
        assert msgspec.json.decode(package.animation("main"))["w"] == 320
        assert package.scene("16:9", "intro") is not None
        assert package.scene("1:1", "intro") is None
        assert "t/sea.json" in package.names
        with TemplatePackage.open(data) as again:
            assert again.sha256 == package.sha256


def test_writing_is_deterministic_whatever_the_order() -> None:
    files = make.entries(main=make.animation(), other=make.animation(frames=90))
    manifest = msgspec.convert(make.manifest(), TemplateManifest)
    backwards = dict(reversed(list(files.items())))
    assert write_package(manifest, files) == write_package(manifest, backwards)


def test_every_fault_of_type_is_found_with_its_pointer() -> None:
    data = make.manifest(slug="Not A Slug", versoin="x")
    data["variants"][0]["scenes"][0]["duration"] = "long"
    data["variants"][0]["scenes"][0]["slots"][0]["default"] = "red"
    data["variants"][0]["scenes"][0]["slots"].append({"type": "colour", "id": "x"})
    del data["category"]
    problems = check_package(raw_package(data))
    assert {(p.code, p.pointer) for p in problems} == {
        ("value_invalid", "/slug"),
        ("field_unknown", "/versoin"),
        ("type_invalid", "/variants/0/scenes/0/duration"),
        ("value_invalid", "/variants/0/scenes/0/slots/0/default"),
        ("value_invalid", "/variants/0/scenes/0/slots/1"),
        ("field_missing", ""),
    }
    assert all(p.path == "flatrender.json" and p.message_en and p.message_fa for p in problems)


@pytest.mark.parametrize(
    ("content", "code"),
    [
        (b"{", "json_invalid"),
        (b"\xff\xfe", "json_invalid"),
        (b"[" * 200_000, "json_invalid"),
        (b"[]", "type_invalid"),
        (b'{"format": 1' + b" " * (5 << 20) + b"}", "entry_too_large"),
    ],
)
def test_what_is_no_manifest_is_refused(content: bytes, code: str) -> None:
    assert [p.code for p in check_package(raw_package(content))] == [code]


def scenes(*items: make.Json, **variant: Any) -> make.Json:
    return make.manifest(variants=[make.variant(*items, **variant)])


S = "/variants/0/scenes"


@pytest.mark.parametrize(
    ("data", "code", "pointer"),
    [
        (scenes(make.scene("a"), make.scene("a")), "duplicate_key", f"{S}/1/key"),
        (scenes(make.scene(animation="gone")), "animation_missing", f"{S}/0/animation"),
        (scenes(make.scene(slots=[SLOT, SLOT])), "duplicate_key", f"{S}/0/slots/1/id"),
        (scenes(make.scene(slots=[SLOT | {"id": "nope"}])), "slot_unbound", f"{S}/0/slots/0/id"),
        (
            scenes(make.scene(slots=[SLOT | {"id": "primary"}])),
            "slot_shadows_color",
            f"{S}/0/slots/0/id",
        ),
        (
            scenes(make.scene(slots=[{"type": "text", "id": "box", "name": make.label("t"),
                                      "default": "x"}])),
            "slot_kind_mismatch",
            f"{S}/0/slots/0/type",
        ),
        (scenes(make.scene(duration=9)), "duration_out_of_range", f"{S}/0/duration"),
        (scenes(make.scene(min_duration=5)), "range_invalid", f"{S}/0/min_duration"),
        (scenes(make.scene(intro=0.6, outro=0.6)), "fixed_parts_too_long", f"{S}/0/intro"),
        (
            scenes(make.scene(intro=2, outro=0.5, min_duration=2.5, duration=3)),
            "animation_too_short",
            f"{S}/0/intro",
        ),
        (
            scenes(make.scene("a"), make.scene("b", transition={"kind": "push", "overlap": 1.0})),
            "overlap_too_long",
            f"{S}/1/transition/overlap",
        ),
        (scenes(make.scene(transition={"kind": "iris", "color": "no_such"})), "color_unknown",
         f"{S}/0/transition/color"),
        (scenes(make.scene(in_default=False)), "no_default_scene", S),
        (scenes(make.scene(sounds=[{"path": "u/x.mp3"}])), "entry_missing",
         f"{S}/0/sounds/0/path"),
        (scenes(width=322, height=181), "size_odd", "/variants/0/width"),
        (scenes(width=320, height=200), "size_not_aspect", "/variants/0/width"),
        (make.manifest(variants=[make.variant(), make.variant()]), "aspect_duplicate",
         "/variants/1/aspect"),
        (make.manifest(mode="Fix", variants=[make.variant(make.scene(repeatable=True))]),
         "mode_forbids", f"{S}/0/repeatable"),
        (
            make.manifest(presets=[{"key": "p", "name": make.label("p"), "colors": {}}]),
            "preset_incomplete",
            "/presets/0/colors",
        ),
        (
            make.manifest(presets=[{"key": "p", "name": make.label("p"),
                                    "colors": {"primary": "#000000", "other": "#000000"}}]),
            "color_unknown",
            "/presets/0/colors/other",
        ),
        (make.manifest(fonts=[{"family": "X", "path": "f/x.ttf"}]), "entry_missing",
         "/fonts/0/path"),
        (make.manifest(fonts=[{"family": "X", "path": "a/main.json"}]), "entry_missing",
         "/fonts/0/path"),
        (make.manifest(music=[{"key": "m", "title": make.label("m"), "path": "u/m.mp3"}]),
         "entry_missing", "/music/0/path"),
        (make.manifest(audio={"music": "none"}), "music_unknown", "/audio/music"),
        (make.manifest(shared_colors=make.manifest()["shared_colors"] * 2), "duplicate_key",
         "/shared_colors/1/key"),
    ],
)  # fmt: skip
def test_a_cross_check_names_its_place(data: make.Json, code: str, pointer: str) -> None:
    assert (code, pointer) in found(data)


@pytest.mark.parametrize("color", ["primary", "#1e90ff", "#1e90ff80"])
def test_a_transition_has_a_color_of_its_own_or_a_shared_one(color: str) -> None:
    data = scenes(make.scene(transition={"kind": "iris", "color": color}))
    assert not [pointer for _, pointer in found(data) if "transition" in pointer]


def test_a_scene_cannot_be_left_while_it_still_comes_in() -> None:
    """Three scenes of 1 s at least, each coming in over 0.6 s: the middle one is never alone."""
    slow = {"transition": {"kind": "push", "overlap": 0.6}}
    names = [make.scene("a"), make.scene("b", **slow), make.scene("c", **slow)]
    for mode in ("Fix", "Flexible"):
        data = make.manifest(mode=mode, variants=[make.variant(*names)])
        assert ("overlap_too_long", f"{S}/1/transition/overlap") in found(data)


def test_fixed_order_looks_only_at_neighbours() -> None:
    """In Fix mode a long overlap at the front counts for nothing: nothing lies before it."""
    first = make.scene("a", transition={"kind": "push", "overlap": 4.0})
    data = make.manifest(mode="Fix", variants=[make.variant(first, make.scene("b"))])
    assert found(data) == set()


def image_manifest(**slot: Any) -> tuple[make.Json, dict[str, bytes]]:
    item = {"type": "image", "id": "logo", "name": make.label("l"), "default": "i/logo.png"} | slot
    asset = {"id": "img", "w": 64, "h": 64, "p": "logo.png", "u": "images/", "e": 0, "sid": "logo"}
    layer = {"ty": 2, "refId": "img", "ip": 0, "op": 60, "st": 0, "ks": {}, "ind": 1}
    files = make.entries(main=make.animation(assets=[asset], extra_layers=[layer]))
    return scenes(make.scene(slots=[SLOT, item])), files | {"i/logo.png": make.picture()}


def test_an_image_slot_and_its_default() -> None:
    data, files = image_manifest()
    assert found(data, files) == set()
    data, files = image_manifest(min_width=500)
    assert ("default_invalid", f"{S}/0/slots/1/default") in found(data, files)
    del files["i/logo.png"]
    assert {code for code, _ in found(data, files)} == {"entry_missing"}


def test_files_must_be_what_they_say() -> None:
    files = make.entries() | {
        "i/a.png": b"GIF89a not a png",
        "i/b.png": b"\x89PNG\r\n\x1a\n and nothing",
        "u/x.mp3": b"<html>",
        "f/x.ttf": b"nope",
        "evil.sh": b"#!/bin/sh",
        "a/deep/x.json": b"{}",
        "x/y.json": b"{}",
        "i/.png": b"",
    }
    problems = check_package(make.package(files=files))
    assert {(p.code, p.path) for p in problems} >= {
        ("file_kind_mismatch", "i/a.png"),
        ("file_kind_mismatch", "i/b.png"),
        ("file_kind_mismatch", "u/x.mp3"),
        ("file_kind_mismatch", "f/x.ttf"),
        ("unexpected_entry", "evil.sh"),
        ("unexpected_entry", "a/deep/x.json"),
        ("unexpected_entry", "x/y.json"),
        ("unexpected_entry", "i/.png"),
    }


def test_a_picture_above_the_cap_is_refused_by_its_header(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("flatrender.template.checks.IMAGE_PIXELS", 100)
    problems = check_package(make.package(files=make.entries() | {"i/a.png": make.picture(20, 20)}))
    assert [(p.code, p.path) for p in problems] == [("image_too_large", "i/a.png")]


@pytest.mark.parametrize("content", [b"{}", b"[", b'{"layers": [], "w": 0}', b'{"layers": 3}'])
def test_a_broken_animation_is_named(content: bytes) -> None:
    problems = check_package(make.package(files={"a/main.json": content}))
    assert ("animation_invalid", "a/main.json") in {(p.code, p.path) for p in problems}


def test_a_slot_nobody_offers_is_a_warning_only() -> None:
    data = make.manifest(variants=[make.variant(make.scene(slots=[]))])
    with TemplatePackage.open(make.package(data)) as package:
        assert [(p.code, p.level) for p in package.warnings] == [("slot_undeclared", "warning")]


def test_the_refusal_is_a_domain_error_with_every_place() -> None:
    with pytest.raises(PackageRefused) as caught:
        TemplatePackage.open(make.package(make.manifest(audio={"music": "none"})))
    (error,) = caught.value.errors
    assert error.pointer == "flatrender.json#/audio/music"
    assert caught.value.detail("fa")
    assert caught.value.status == 422


def test_the_schema_accepts_what_the_reader_accepts() -> None:
    schema = json_schema()
    jsonschema.Draft202012Validator.check_schema(schema)
    jsonschema.validate(make.manifest(), schema)
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate(make.manifest(format=2), schema)
