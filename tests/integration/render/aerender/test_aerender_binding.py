"""Edits bound in After Effects: each where it belongs, each proven, and no video without."""

import copy
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from aerender import es3

from flatrender.template.manifest import Transition
from flatrender_render.engines import InputBroken, TemplateBroken
from flatrender_render.engines.aerender import scripts
from flatrender_render.engines.aerender.watchdog import Patience
from flatrender_render.farm import failures as farm

FRAMES = 12
LONG = Patience(launch=60, open=60, first_frame=60, frame=60, exit=60)


def layers(comp: dict[str, Any]) -> dict[str, Any]:
    """Return the layers of a composition by name."""
    return {layer["nm"]: layer for layer in comp["layers"]}


def text_of(layer: dict[str, Any]) -> str:
    """Return the text of a layer."""
    return str(layer["t"]["d"]["k"][0]["s"]["t"])


def title(desk: Any, number: int, words: str, **changes: Any) -> Any:
    """Return an instance of the flexible template's scene."""
    given = {"id": f"s{number}", "scene_key": "opening", "animation": "opening",
             "values": {"title": words}, **changes}  # fmt: skip
    return desk.scene(**given)


@pytest.mark.parametrize("name", ["bind", "scan"])
def test_the_scripts_are_ecmascript_3(name: str) -> None:
    script = Path(scripts.__file__).with_name(f"{name}.jsx")
    assert es3.problems(scripts.script_source(script)) == []


@pytest.mark.parametrize(
    "newer",
    ["let a = 1;", "var f = (x) => x;", "var a = `x`;", "[1, 2].forEach(f);", "var a = {b: 1,};",
     "a = JSON.parse(b);", "var a = {get b() { return 1; }};", "x = a.class;", "a = [1, 2,];"],
)  # fmt: skip
def test_what_is_newer_than_ecmascript_3_is_found(newer: str) -> None:
    assert es3.problems(newer)


@pytest.mark.parametrize(
    ("words", "shown"),
    [("سلام دنیا", "frd_dc1t1"), ("Hello", "frl_c1t1"), ("123", "frd_dc1t1"), ("", "frd_dc1t1"),
     ('a "b" \\ \n new line  \t🙂 \x7f', "frl_c1t1")],
)  # fmt: skip
def test_a_text_goes_into_both_directions_and_one_shows(desk: Any, words: str, shown: str) -> None:
    desk.values = {"c1t1": words}
    found = layers(desk.bound()["frfinal"])
    for name in ("frl_c1t1", "frd_dc1t1"):
        assert text_of(found[name]) == words.replace("\n", "\r")
        assert found[name]["hd"] is (name != shown)


def test_shared_colours_and_what_an_older_after_effects_knows(desk: Any) -> None:
    desk.ae.behave(AfterFX={"old": True})
    share = layers(desk.bound()["frshare"])
    assert text_of(share["primary"]) == "0.062745,0.12549,0.188235,1"


def test_controls_numbers_and_empty_places(desk: Any) -> None:
    slider = {"ty": 5, "nm": "Speed", "ef": [{"ty": 0, "nm": "Slider", "v": {"a": 0, "k": 1}}]}
    number = copy.deepcopy(desk.project["items"][0]["layers"][0])
    number["nm"] = "frd_price"
    desk.project["items"][0]["layers"][0]["ef"] = [slider]
    desk.project["items"][0]["layers"].append(number)
    slots = [
        {"id": "speed", "type": "control", "layer": "frl_c1t1", "effect": "Speed"},
        {"id": "price", "type": "number", "layer": ""},
        {"id": "c1m1", "type": "image", "layer": "frl_c1m1", "hide_when_empty": True},
    ]
    desk.manifest = {"project": "project.aep", "comp": "frfinal", "mode": "Fix",
                     "scenes": [{"key": "c1", "duration": 0.4, "slots": slots}]}  # fmt: skip
    desk.values = {"speed": 2.5, "price": 1200.0}
    found = layers(desk.bound()["frfinal"])
    assert found["frl_c1t1"]["ef"][0]["ef"][0]["v"]["k"] == 2.5
    assert text_of(found["frd_price"]) == "1200"
    assert found["frl_c1m1"]["hd"] is True


def test_copies_of_a_scene_share_nothing_and_play_one_after_another(flexible: Any) -> None:
    scenes = [
        title(flexible, 1, "One"),
        title(flexible, 2, "Two"),
        title(flexible, 3, "Three", duration=2 * FRAMES / 30),
    ]
    frames = flexible.render(4 * FRAMES - 1, *scenes)
    base = flexible.project["items"][2]
    for words, start, step in (("One", 0, 1), ("Two", FRAMES, 1), ("Three", 2 * FRAMES, 2)):
        words_layer = copy.deepcopy(flexible.project["items"][3]["layers"][0])
        words_layer["t"]["d"]["k"][0]["s"]["t"] = words
        lottie = {"v": "5.9.0", "w": 160, "h": 90, "fr": 30, "ip": 0, "op": FRAMES, "ddd": 0,
                  "assets": [], "layers": [words_layer, *base["layers"][1:]]}  # fmt: skip
        wanted = flexible.drawn(lottie, primary="#102030", box="#40c080")
        for number, pixels in enumerate(wanted):
            found = frames[start + step * number].astype(int)
            assert np.abs(found - pixels).mean() < 0.02, f"{words}, frame {number}"


def test_the_template_is_never_rendered_with_its_own_defaults(desk: Any) -> None:
    desk.ae.behave(AfterFX={"deaf": ["frl_c1t1"]})
    found = desk.failure()
    assert found.code == "binding_failed"
    assert "frl_c1t1" in str(found)
    assert desk.ae.runs("aerender") == 0


@pytest.mark.parametrize(
    ("values", "words"),
    [({"c1t9": "x"}, "no layer frl_c1t9"), ({"c1m1": "x"}, "is no text layer")],
)
def test_a_value_without_its_place_fails(desk: Any, values: Any, words: str) -> None:
    desk.values = values
    found = desk.failure()
    assert found.code == "binding_failed"
    assert words in str(found)


def test_a_colour_that_the_template_has_not_fails(desk: Any) -> None:
    desk.composition_changes = {"colors": {"nobody": "#ffffff"}}
    assert "nobody" in str(desk.failure())


def test_a_project_that_was_not_saved_fails(desk: Any) -> None:
    desk.ae.behave(AfterFX={"unsaved": True})
    assert "not saved" in str(desk.failure())


@pytest.mark.parametrize("phase", ["launch", "open", "frame"])
def test_the_script_hangs(desk: Any, phase: str) -> None:
    hang = "frames" if phase == "frame" else phase
    desk.ae.behave(AfterFX={"hang": hang})
    soon = {phase: 0.5, **({"first_frame": 0.5} if phase == "frame" else {})}
    assert desk.failure(patience=Patience(**{**_seconds(), **soon})).code == f"{phase}_timeout"


def test_what_is_bound_is_taken_from_one_who_does_not_leave(desk: Any) -> None:
    desk.ae.behave(AfterFX={"hang": "done"})
    found = desk.bound(patience=Patience(**{**_seconds(), "exit": 0.5}))
    assert text_of(layers(found["frfinal"])["frl_c1t1"]) == "Hello"


def _seconds() -> dict[str, float]:
    return {
        name: getattr(LONG, name) for name in ("launch", "open", "first_frame", "frame", "exit")
    }


def test_after_effects_dies_while_binding(desk: Any) -> None:
    desk.ae.behave(AfterFX={"crash": True})
    assert desk.failure().code == "ae_runtime"


def test_missing_footage_is_named_before_anything_starts(desk: Any) -> None:
    desk.manifest = {"project": "project.aep", "comp": "frfinal", "mode": "Fix",
                     "footage": ["footage/photo.png", "footage/logo.png"]}  # fmt: skip
    found = desk.failure()
    assert (found.code, str(found)) == ("footage_missing", "missing footage: footage/logo.png")
    assert desk.ae.runs("AfterFX") == 0


@pytest.mark.parametrize("file", ["{folder}/secret.png", "../../../secret.png"])
def test_a_project_shows_no_file_of_the_machines_own(desk: Any, file: str) -> None:
    """Another customer's picture, or whatever lies there, is never drawn into a video."""
    (desk.folder / "secret.png").write_bytes(desk.photo)
    photo = desk.project["items"][2]
    photo["file"] = file.format(folder=desk.folder)
    found = desk.failure()
    assert (found.code, str(found)) == (
        "footage_missing", "missing footage, not of the bundle: secret.png"
    )  # fmt: skip
    assert farm.classify(found.code, str(found), engine="aerender").rule == "ae_missing_footage"
    assert desk.ae.runs("aerender") == 0


def test_missing_fonts_are_named_before_anything_starts(desk: Any) -> None:
    desk.manifest = {"project": "project.aep", "comp": "frfinal", "mode": "Fix",
                     "fonts": [{"family": "Nobody's Grotesk", "style": "Bold"}]}  # fmt: skip
    found = desk.failure()
    assert (found.code, str(found)) == ("fonts_missing", "missing fonts: Nobody's Grotesk Bold")
    assert desk.ae.runs("AfterFX") == 0


def test_a_font_in_a_folder_of_the_machine_is_not_missing(desk: Any) -> None:
    from flatrender.fonts import catalogue

    font = next(iter(catalogue()))
    desk.manifest = {"project": "project.aep", "comp": "frfinal", "mode": "Fix",
                     "fonts": [{"family": font.family, "style": font.style}]}  # fmt: skip
    assert desk.bound(font_folders=(str(font.path.parent),))


def test_what_the_scan_did_not_know_after_effects_tells(desk: Any) -> None:
    desk.files = {}
    assert desk.failure().code == "footage_missing"
    desk.files = {"footage/photo.png": desk.photo}
    desk.ae.behave(AfterFX={"substitute": ["Vazirmatn"]})
    assert str(desk.failure()) == "missing fonts: Vazirmatn"


def test_no_after_effects_or_one_too_old(desk: Any) -> None:
    assert desk.failure(programs=("/nowhere/aerender",)).code == "node_ae_missing"
    desk.manifest = {"project": "project.aep", "comp": "frfinal", "mode": "Fix",
                     "after_effects": 25}  # fmt: skip
    assert desk.failure().code == "node_ae_missing"


def test_broken_bundles_and_values(desk: Any) -> None:
    engine = desk.engine()
    spec = desk.spec()
    with pytest.raises(TemplateBroken, match="sha256"):
        engine.open(type(spec)(**{**_fields(spec), "package_sha256": "0" * 64}))
    with pytest.raises(TemplateBroken):
        engine.open(desk.spec(package=b"no zip at all"))
    desk.manifest = {"project": "photo.png", "comp": "frfinal", "mode": "Fix"}
    assert desk.failure().code == "package_broken"
    desk.manifest = None
    desk.photo = b"no picture"
    desk.values = {"c1m1": desk.photo_value()}
    with pytest.raises(InputBroken):
        engine.open(desk.spec())
    wipe = desk.scene(id="s2", transition=Transition(kind="wipe", overlap=0.1))
    desk.values = {}
    with pytest.raises(TemplateBroken, match="transition"):
        engine.open(desk.spec(desk.scene(), wipe))
    assert not list((desk.folder / "scratch").iterdir()), "something was left on the disk"


def _fields(spec: Any) -> dict[str, Any]:
    return {name: getattr(spec, name) for name in spec.__struct_fields__}


@pytest.mark.parametrize(
    ("wrong", "code"),
    [({"handed": True}, "instance_refused"), ({"result": "none"}, "process_died"),
     ({"result": "truncated"}, "process_died"), ({"result": "utf16"}, "process_died")],
)  # fmt: skip
def test_a_script_that_did_not_run_to_its_end_is_not_the_templates_fault(
    desk: Any, wrong: dict[str, Any], code: str
) -> None:
    desk.ae.behave(AfterFX=wrong)
    failure = desk.failure()
    assert failure.code == code
    verdict = farm.classify(code, str(failure), engine="aerender", exit_code=failure.exit_code)
    assert (verdict.error_class, verdict.fail_now) == ("node", False)
