"""What names mean: scenes, slots and colours from a scan, and names that mean two things."""

import json
from pathlib import Path

import pytest
from click.testing import CliRunner
from hypothesis import given
from hypothesis import strategies as st

from flatrender.cli.root import root
from flatrender.template.manifest import Mode
from flatrender.testing.aep import Comp, Footage, Layer, project
from flatrender_content.aep.diff import (
    Choice,
    Graph,
    PresentRow,
    chosen,
    compare,
    graph_tag,
    proposed_rows,
)
from flatrender_content.aep.naming import propose
from flatrender_content.aep.proposal import Proposal, manifest_of
from flatrender_content.aep.reader import read_project
from flatrender_content.aep.slots import shared_color


def proposal(*items: Comp | Footage, mode: Mode = "Fix") -> Proposal:
    """What a project of ``items`` proposes."""
    return propose(read_project(project(*items)), mode)


def codes(found: Proposal) -> set[str]:
    return {problem.code for problem in found.problems}


def test_fix_scenes_share_out_the_final_comp() -> None:
    found = proposal(
        Comp(
            id=1,
            name="frfinal",
            duration=10,
            layers=[
                Layer(name="x", source=2, begin=0, end=4),
                Layer(name="y", source=3, begin=4, end=10),
            ],
        ),
        Comp(id=2, name="A", duration=4, layers=[Layer(name="frl_c2t1", text="a")]),
        Comp(id=3, name="B", duration=6, layers=[Layer(name="frl_c1t1", text="b")]),
    )
    assert [(s.key, s.comp, s.start, s.duration) for s in found.scenes] == [
        ("c2", "A", 0.0, 4.0),
        ("c1", "B", 4.0, 6.0),
    ]
    assert not found.problems


@given(
    st.lists(st.floats(0, 20, allow_nan=False), min_size=1, max_size=8),
    st.floats(1, 30),
)
def test_scenes_of_a_fix_template_always_sum_up_to_it(begins: list[float], length: float) -> None:
    layers = [
        Layer(name=f"frl_c{n + 1}t1", text="x", begin=at, end=at + 1) for n, at in enumerate(begins)
    ]
    found = proposal(Comp(id=1, name="frfinal", duration=length, layers=layers))
    assert len(found.scenes) == len(begins)
    assert all(scene.duration > 0 for scene in found.scenes)
    assert sum(s.duration for s in found.scenes) == pytest.approx(found.duration, abs=1e-4)


def test_flexible_scenes_are_comps() -> None:
    found = proposal(
        Comp(
            id=1,
            name="flatrender",
            layers=[
                Layer(name="frc_intro", source=2, begin=0),
                Layer(name="Outro", source=3, begin=5),
            ],
        ),
        Comp(
            id=2,
            name="Intro",
            duration=3,
            layers=[
                Layer(name="frl_title", text="سلام"),
                Layer(name="frd_dtitle", text="1"),
                Layer(name="frd_speed", text="12.5"),
                Layer(name="frd_direction", text="rtl"),
                Layer(name="inner", source=5),
                Layer(name="frs_primary", kind="shape"),
            ],
        ),
        Comp(id=3, name="Outro", duration=4, layers=[Layer(name="frl_logo", source=9)]),
        Comp(id=4, name="frc_extra", duration=2, layers=[Layer(name="frl_t", text="x")]),
        Comp(id=5, name="deep", duration=2, layers=[Layer(name="frl_sub", text="زیر")]),
        Comp(id=6, name="frshare", layers=[Layer(name="primary", text="0 0.5 1 1")]),
        Footage(id=9, path="C:\\logo.png", width=300, height=200),
        mode="Flexible",
    )
    assert not found.problems
    shape = {s.key: [(c.key, c.type, c.default) for c in s.contents] for s in found.scenes}
    assert shape == {
        "intro": [("speed", "number", 12.5), ("sub", "text", "زیر"), ("title", "text", "سلام")],
        "outro": [("logo", "image", None)],
        "extra": [("t", "text", "x")],
    }
    intro, outro, extra = found.scenes
    assert (intro.repeatable, outro.repeatable, extra.in_default) == (True, False, False)
    assert [c.layer for c in intro.contents[2].companions] == ["frd_dtitle"]
    assert list(intro.colors) == ["primary"]
    assert found.colors[0].default == "#0080ff"


def test_keys_of_different_scenes_never_meet() -> None:
    # Flattened as scene_key + "_" + content_key both would be a_b_c: the first system's mistake.
    found = proposal(
        Comp(
            id=1, name="flatrender", layers=[Layer(name="1", source=2), Layer(name="2", source=3)]
        ),
        Comp(id=2, name="a", layers=[Layer(name="frl_b_c", text="one")]),
        Comp(id=3, name="a_b", layers=[Layer(name="frl_c", text="two")]),
        mode="Flexible",
    )
    rows = proposed_rows(found)
    defaults = {path: row["default_value"] for path, row in rows.items() if "/contents/" in path}
    assert defaults == {"scenes/a/contents/b_c": "one", "scenes/a_b/contents/c": "two"}


@given(
    st.lists(
        st.tuples(
            st.from_regex(r"[a-z][a-z0-9_]{0,8}", fullmatch=True),
            st.from_regex(r"[a-z][a-z0-9_]{0,8}", fullmatch=True),
        ),
        unique=True,
        min_size=1,
        max_size=12,
    )
)
def test_every_slot_of_every_scene_has_a_row_of_its_own(pairs: list[tuple[str, str]]) -> None:
    scenes: dict[str, list[str]] = {}
    for scene, content in pairs:
        scenes.setdefault(scene, []).append(content)
    comps = [
        Comp(id=n, name=key, layers=[Layer(name=f"frl_{c}", text=f"{key}.{c}") for c in contents])
        for n, (key, contents) in enumerate(scenes.items(), 2)
    ]
    stage = [Layer(name=str(comp.id), source=comp.id) for comp in comps]
    found = proposal(Comp(id=1, name="flatrender", layers=stage), *comps, mode="Flexible")
    if codes(found):  # two names that make one key are refused, never merged
        assert codes(found) <= {"scene_key_collision", "scene_key_invalid"}
        return
    rows = {p: r for p, r in proposed_rows(found).items() if "/contents/" in p}
    assert {r["default_value"] for r in rows.values()} == {f"{s}.{c}" for s, c in pairs}


@pytest.mark.parametrize(
    ("items", "mode", "code"),
    [
        ([Comp(id=1, name="main")], "Fix", "final_comp_missing"),
        ([Comp(id=1, name="frfinal"), Comp(id=2, name="flatrender")], "Fix", "final_comp_twice"),
        ([Comp(id=1, name="frfinal")], "Flexible", "mode_mismatch"),
        ([Comp(id=1, name="frfinal", width=1000)], "Fix", "aspect_unsupported"),
        ([Comp(id=1, name="frfinal", fps=29.97)], "Fix", "fps_unsupported"),
        ([Comp(id=1, name="frfinal")], "Fix", "no_scenes"),
        (
            [Comp(id=1, name="frfinal", layers=[Layer(name="frl_title", text="x")])],
            "Fix",
            "not_a_fix_key",
        ),
        (
            [Comp(id=1, name="frfinal", layers=[Layer(name="FRL_c1t1", text="x")])],
            "Fix",
            "layer_key_invalid",
        ),
        (
            [Comp(id=1, name="frfinal", layers=[Layer(name="frl_c1m1", text="x")])],
            "Fix",
            "layer_kind_mismatch",
        ),
        (
            [
                Comp(
                    id=1,
                    name="flatrender",
                    layers=[Layer(name="a", source=2), Layer(name="b", source=3)],
                ),
                Comp(id=2, name="Scene 1"),
                Comp(id=3, name="scene-1"),
            ],
            "Flexible",
            "scene_key_collision",
        ),
        (
            [
                Comp(id=1, name="flatrender", layers=[Layer(name="a", source=2)]),
                Comp(id=2, name="one"),
                Comp(id=3, name="one"),
            ],
            "Flexible",
            "comp_name_twice",
        ),
        (
            [
                Comp(id=1, name="flatrender", layers=[Layer(name="a", source=2)]),
                Comp(
                    id=2,
                    name="one",
                    layers=[Layer(name="frl_x", text="1"), Layer(name="frd_x", text="2")],
                ),
            ],
            "Flexible",
            "content_key_collision",
        ),
        (
            [
                Comp(id=1, name="frfinal"),
                Comp(id=4, name="frshare", layers=[Layer(name="primary", text="red")]),
            ],
            "Fix",
            "color_invalid",
        ),
        (
            [
                Comp(id=1, name="frfinal"),
                Comp(id=4, name="frshare", layers=[Layer(name="Primary", text="1")]),
            ],
            "Fix",
            "color_key_invalid",
        ),
        (
            [
                Comp(
                    id=1,
                    name="frfinal",
                    layers=[Layer(name="frl_c1t1", text="x"), Layer(name="frs_gone", kind="shape")],
                )
            ],
            "Fix",
            "color_unknown",
        ),
    ],
)
def test_names_that_cannot_be_meant_are_problems(items: list[Comp], mode: Mode, code: str) -> None:
    found = proposal(*items, mode=mode)
    assert code in codes(found)
    assert all(problem.message_fa and problem.message_en for problem in found.problems)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("1,0.5,0,1", ("color", "#ff8000", 1)),
        ("255, 128, 0, 255", ("color", "#ff8000", 255)),
        ("[1, 1, 1, 0.5]", ("color", "#ffffff80", 1)),
        ("0 0 0 1", ("color", "#000000", 1)),
        ("2", ("switch", "2", 1)),
        ("4", None),
        ("1,0,0", None),
        ("256,0,0,1", None),
        ("a,b,c,d", None),
        ("-1,0,0,1", None),
        ("", None),
    ],
)
def test_shared_colours(text: str, expected: tuple[str, str, int] | None) -> None:
    assert shared_color(text) == expected


def test_the_manifest_names_layers_and_files_beside_the_project() -> None:
    scan = read_project(
        project(
            Comp(id=1, name="frfinal", layers=[Layer(name="frl_c1t1", text="x", fonts=["A-B"])])
        ),
        name="Job/a.aep",
    )
    made = manifest_of(propose(scan, "Fix"), scan)
    assert (made.project, made.comp) == ("Job/a.aep", "frfinal")
    assert made.scenes[0].comp == ""  # layers of the final comp
    assert made.scenes[0].slots[0].layer == "frl_c1t1"
    assert (made.fonts[0].family, made.fonts[0].style) == ("A", "B")


def _present(found: Proposal, **changes: PresentRow) -> Graph:
    rows = {
        path: PresentRow(fields=dict(row), manual=[], deleted=False)
        for path, row in proposed_rows(found).items()
    }
    return rows | changes


def _two() -> Proposal:
    return proposal(
        Comp(
            id=1,
            name="frfinal",
            layers=[Layer(name="frl_c1t1", text="x"), Layer(name="frl_c2t1", text="y", begin=2)],
        )
    )


def test_a_graph_that_is_as_proposed_differs_in_nothing() -> None:
    found = _two()
    assert compare(found, _present(found)) == []


def test_an_edited_field_is_kept_and_the_others_change() -> None:
    found = _two()
    old = PresentRow(
        fields=proposed_rows(found)["scenes/c1"] | {"name_en": "Mine", "position": 7},
        manual=["name_en"],
        deleted=False,
    )
    (entry,) = compare(found, _present(found, **{"scenes/c1": old}))
    assert entry.change == "changed"
    assert {f.name: f.kept for f in entry.fields} == {"name_en": True, "position": False}


def test_an_edited_duration_keeps_its_limits_with_it() -> None:
    found = _two()
    fields = proposed_rows(found)["scenes/c1"] | {"duration": 1.0, "min_duration": 0.5}
    old = PresentRow(fields=fields, manual=["duration"], deleted=False)
    (entry,) = compare(found, _present(found, **{"scenes/c1": old}))
    assert entry.change == "kept"


def test_choices_leave_children_of_what_is_not_written() -> None:
    found = _two()
    entries = compare(found, {})
    skipped = set(chosen(entries, {}, Choice(skip=frozenset({"scenes/c2"}))))
    assert skipped == {"project", "scenes/c1", "scenes/c1/contents/c1t1"}
    assert set(chosen(entries, {}, Choice(add=False))) == set()


def test_any_change_of_a_graph_gives_another_tag() -> None:
    found = _two()
    one = _present(found)
    other = dict(one)
    other["scenes/c1"] = PresentRow(fields={}, manual=[], deleted=True)
    assert graph_tag({}, one) == graph_tag({}, dict(reversed(one.items())))
    assert graph_tag({}, one) != graph_tag({}, other)


def test_the_command_prints_a_tree_and_json(tmp_path: Path) -> None:
    path = tmp_path / "job.aep"
    path.write_bytes(
        project(
            Comp(id=1, name="frfinal", layers=[Layer(name="frl_c1t1", text="سلام")]),
            Comp(id=2, name="frshare", layers=[Layer(name="primary", text="1,0.5,0,1")]),
        )
    )
    run = CliRunner().invoke(root, ["template", "scan", str(path)])
    assert run.exit_code == 0, run.output
    assert "scene c1  frfinal, 5 s" in run.output
    assert "colour primary #ff8000" in run.output
    found = json.loads(CliRunner().invoke(root, ["template", "scan", str(path), "--json"]).output)
    assert found["proposal"]["scenes"][0]["contents"][0]["key"] == "c1t1"
    path.write_bytes(b"RIFX")
    run = CliRunner().invoke(root, ["template", "scan", str(path)])
    assert run.exit_code == 1
    assert "[not_a_project]" in run.output


def test_both_contexts_commands_are_in_one_group() -> None:
    run = CliRunner().invoke(root, ["template", "--help"])
    words = set(run.output.split())
    assert {"check", "pack", "scan", "schema"} <= words
