"""A manifest becomes rows, and a row becomes the manifest's slot again, exactly."""

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from flatrender.template.manifest import (
    ColorSlot,
    GradientSlot,
    GradientStop,
    ImageSlot,
    NumberSlot,
    Slot,
    TemplateManifest,
    Text,
    TextSlot,
)
from flatrender.testing import packages as build
from flatrender_content.domain import names_of, rows_of, running_time, slot_of
from flatrender_content.schemas import (
    LongWords,
    columns_of,
)
from flatrender_content.taxonomy_schemas import (
    CategoryChange,
)

keys = st.from_regex(r"[a-z][a-z0-9_]{0,20}", fullmatch=True)
words = st.text(st.characters(exclude_categories=["Cs", "Cc"]), min_size=1, max_size=20)
names = st.builds(Text, fa=words, en=words)
numbers = st.floats(-1e6, 1e6, allow_nan=False)
colors = st.from_regex(r"#[0-9a-f]{6}", fullmatch=True)
common = {"id": keys, "name": names, "required": st.booleans(), "group": st.none() | keys}
stops = st.builds(GradientStop, st.floats(0, 1), colors)
slots = st.one_of(
    st.builds(
        TextSlot,
        **common,
        default=words,
        max_chars=st.integers(1, 2000),
        max_lines=st.integers(1, 40),
        min_scale=st.floats(0.01, 1),
        multiline=st.booleans(),
    ),
    st.builds(ColorSlot, **common, default=colors),
    st.builds(ImageSlot, **common, default=st.none() | st.just("i/a.png")),
    st.builds(
        NumberSlot,
        **common,
        default=numbers,
        minimum=numbers,
        maximum=numbers,
        step=st.none() | st.floats(0.001, 10),
        unit=words,
    ),
    st.builds(GradientSlot, **common, default=st.lists(stops, min_size=2, max_size=8)),
)


def _manifest(**changes: object) -> TemplateManifest:
    return msgspec.convert(build.manifest(**changes), TemplateManifest)


@given(slots)
def test_a_slot_survives_its_row(slot: Slot) -> None:
    scene = build.scene(slots=[msgspec.to_builtins(slot)])
    manifest = _manifest(variants=[build.variant(scene)])
    row = msgspec.json.decode(msgspec.json.encode(rows_of(manifest, {}).contents[0]))
    assert slot_of(row) == slot
    assert not {"type", "id", "name", "required", "group", "default"} & set(row["limits"])


def test_rows_are_named_by_aspect_scene_and_key() -> None:
    wide = build.variant(build.scene("a"), build.scene("b"))
    tall = build.variant(build.scene("a"), aspect="9:16", width=180, height=320)
    rows = rows_of(_manifest(variants=[wide, tall]), {"main": frozenset({"primary"})})
    assert [(r["aspect"], r["scene_count"]) for r in rows.projects] == [("16:9", 2), ("9:16", 1)]
    assert [(r["aspect"], r["key"], r["position"]) for r in rows.scenes] == [
        ("16:9", "a", 0),
        ("16:9", "b", 1),
        ("9:16", "a", 0),
    ]
    assert [(r["aspect"], r["scene"], r["key"]) for r in rows.contents] == [
        ("16:9", "a", "box"),
        ("16:9", "b", "box"),
        ("9:16", "a", "box"),
    ]
    assert {(r["aspect"], r["scene"], r["element_key"]) for r in rows.color_elements} == {
        ("16:9", "a", "primary"),
        ("16:9", "b", "primary"),
        ("9:16", "a", "primary"),
    }
    assert [r["aspect"] for r in rows.colors] == ["16:9", "9:16"]
    ids = [r["id"] for r in (*rows.projects, *rows.scenes, *rows.contents, *rows.colors)]
    assert len(set(ids)) == len(ids)


def test_running_time_counts_default_scenes_without_overlaps() -> None:
    scenes = (
        build.scene("a", duration=2.1, min_duration=1, max_duration=4),
        build.scene(
            "b",
            duration=2.2,
            min_duration=1,
            max_duration=4,
            transition={"kind": "slide", "overlap": 0.5},
        ),
        build.scene("c", duration=3, min_duration=1, max_duration=4, in_default=False),
    )
    manifest = _manifest(variants=[build.variant(*scenes)])
    assert running_time(manifest.variants[0], "rtl") == pytest.approx(3.8, abs=0)


def test_a_scene_without_limits_keeps_its_duration() -> None:
    scene = build.scene(min_duration=None, max_duration=None, duration=3)
    row = rows_of(_manifest(variants=[build.variant(scene)]), {}).scenes[0]
    assert (row["min_duration"], row["duration"], row["max_duration"]) == (3, 3, 3)


def test_a_slug_has_a_name_until_somebody_edits_it() -> None:
    assert names_of("story") == Text(fa="استوری", en="Story")
    assert names_of("black-friday").en == "Black friday"


def test_only_what_a_request_names_is_changed() -> None:
    change = CategoryChange(description=LongWords(fa="الف"), parent_id=None)
    assert columns_of(change) == {
        "description_fa": "الف",
        "description_en": "",
        "parent_id": None,
    }
