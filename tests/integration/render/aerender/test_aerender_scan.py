"""A full scan: After Effects tells what a project holds, whatever goes wrong on the way."""

import hashlib
import io
import json
import signal
import zipfile
from pathlib import Path
from typing import Any

import pytest
from aerender import project as projects
from aerender import setup as emulator
from msgspec.structs import replace

from flatrender.template.problems import PackageRefused
from flatrender.template.project_scan import ProjectScan
from flatrender.testing.packages import animation
from flatrender_render.engines import ProjectScanner, TemplateBroken
from flatrender_render.engines.aerender.failures import AerenderFailed
from flatrender_render.media.errors import Stopped

Json = dict[str, Any]


def read(desk: Any, data: bytes, *, name: str = "", **settings: Any) -> ProjectScan:
    """Scan a project or bundle."""
    path = desk.folder / "source"
    path.write_bytes(data)
    engine = desk.engine(**settings)
    assert isinstance(engine, ProjectScanner)
    digest = hashlib.sha256(data).hexdigest()
    found: ProjectScan = engine.scan(path, digest, name, lambda: False)
    return found


def code(desk: Any, wrong: Json, **patience: float) -> str:
    """Return how a scan fails when this goes wrong."""
    desk.ae.behave(AfterFX=wrong)
    quick = replace(desk.engine().settings.patience, **patience)
    with pytest.raises(AerenderFailed) as caught:
        read(desk, emulator.bundle(desk.project, desk.files), patience=quick)
    assert not list((desk.folder / "scratch").iterdir())  # nothing is left lying about
    return caught.value.code


def test_a_bundle_is_told_with_everything_in_it(desk: Any, make_words: Any) -> None:
    base = animation(frames=60, fps=30, width=160, height=90)
    driven = make_words(4, "frl_c1t2", "written")
    driven["t"]["d"]["x"] = "thisComp.name"
    driven["ks"]["o"]["x"] = "wiggle(1, 1)"
    driven["ks"]["r"] = {"a": 0, "k": 0, "x": "time", "off": True}
    keyed = make_words(5, "frl_c1t3", "first")
    keyed["t"]["d"]["k"].append({"s": {**keyed["t"]["d"]["k"][0]["s"], "t": "second"}, "t": 30})
    keyed["parent"] = 4
    desk.project["items"][0]["layers"][:0] = [driven, keyed]
    desk.project["items"][0] |= {"folder": "فیلم/final", "essentials": ["Title", "رنگ"]}
    desk.project["items"] += [
        {**emulator.footage(7, "audio/tune.wav", 0, 0), "seconds": 2.5, "folder": "فیلم"},
        {**emulator.footage(8, "gone.mp4", 640, 360), "told": "C:\\job\\gone.mp4"},
        {"id": 9, "type": "solid", "name": "Black", "w": 8, "h": 8},
        emulator.comp(10, "empty", base, []),
    ]
    needs = {"ty": 2, "nm": "clip", "ind": 9, "refId": "item:8", "ip": 30, "op": 15, "st": 0}
    desk.project["items"][-1]["layers"] = [needs]
    files = {**desk.files, "audio/tune.wav": b"sound"}
    desk.ae.behave(AfterFX={"substitute": ["Vazirmatn"]})
    found = read(desk, emulator.bundle(desk.project, files))

    assert (found.kind, found.project) == ("full", "project.aep")
    final = found.comps[0]
    assert (final.name, final.width, final.height, final.fps) == ("frfinal", 160, 90, 30)
    assert (final.duration, final.work_end) == (0.4, 0.4)
    assert (final.folder, final.essentials) == ("فیلم/final", ["Title", "رنگ"])
    layers = {layer.name: layer for layer in final.layers}
    assert layers["frl_c1t2"].text == "written"
    assert layers["frl_c1t2"].expressions == ["ADBE Text Document", "ADBE Opacity"]
    assert layers["frl_c1t3"].text == "first"
    assert layers["frl_c1t3"].parent_id == layers["frl_c1t2"].id
    assert layers["frl_c1t1"].kind == "text"
    assert layers["frl_c1t1"].fonts == ["Vazirmatn"]
    assert layers["frd_dc1t1"].text == "متن خود قالب"
    assert not layers["frd_dc1t1"].enabled
    assert (layers["frl_c1m1"].kind, layers["frl_c1m1"].source_id) == ("image", 3)
    clip = found.comps[-1].layers[0]
    assert (clip.kind, clip.in_point, clip.out_point) == ("video", 0.5, 1.0)
    footage = {item.name: item for item in found.footage}
    photo = footage["photo.png"]
    assert (photo.kind, photo.bundled, photo.missing) == ("image", "footage/photo.png", False)
    assert photo.path == "footage/photo.png"  # and not where this machine laid it out
    tune = footage["tune.wav"]
    assert (tune.kind, tune.bundled, tune.duration) == ("audio", "audio/tune.wav", 2.5)
    gone = footage["gone.mp4"]
    assert (gone.missing, gone.bundled, gone.path) == (True, None, "C:\\job\\gone.mp4")
    assert footage["Black"].kind == "solid"
    assert found.fonts == found.substituted == ["Vazirmatn"]
    assert [(note.code, note.place) for note in found.notes] == [("font_substituted", "Vazirmatn")]


def test_an_older_after_effects_knows_less_and_still_tells(desk: Any) -> None:
    desk.ae.behave(AfterFX={"old": True})
    found = read(desk, projects.encode(desk.project), name="Final.aep")
    assert found.project == "Final.aep"
    assert found.fonts == ["Vazirmatn"]
    ids = [layer.id for comp in found.comps for layer in comp.layers]
    assert len(ids) == len(set(ids))
    photo = next(item for item in found.footage if item.name == "photo.png")
    assert photo.missing  # a bare project brings none


def test_names_survive_whatever_they_hold(desk: Any, make_words: Any) -> None:
    name = 'a"b\\c\u200c🙂/../' + "x" * 2000
    text = "خط یک\rخط دو\x03سه 🙂\x07"
    desk.project["items"][0]["layers"].append(make_words(9, name, text))
    desk.project["items"][0]["layers"].append(make_words(10, "x" * 1023 + "🙂", ""))
    found = read(desk, emulator.bundle(desk.project, desk.files))
    layer, last = found.comps[0].layers[-2:]
    assert last.name == "x" * 1023  # and not half a letter more
    assert layer.name == name[:1023]  # counted in UTF-16, as After Effects does
    assert layer.text == "خط یک\nخط دو\nسه 🙂"


def test_a_bundle_that_is_none_names_every_reason(desk: Any) -> None:
    target = io.BytesIO()
    with zipfile.ZipFile(target, "w") as archive:
        archive.writestr("project.aep", projects.encode(desk.project))
        archive.writestr("../out.txt", b"x")
        archive.writestr("CON.png", b"x")
    with pytest.raises(PackageRefused) as caught:
        read(desk, target.getvalue())
    assert {error.code for error in caught.value.errors} == {"path_traversal", "name_reserved"}
    assert desk.ae.runs("AfterFX") == 0


@pytest.mark.parametrize(
    "told",
    [
        {"project": "../../../secret.aep"},
        {"project": "footage/../../../../secret.aep"},
        {"project": "{folder}/secret.aep"},
        {"project": "\\\\example.com\\share\\secret.aep"},  # a machine would sign in there
        {"footage": ["../../../secret.aep"]},
        {"footage": ["{folder}/secret.aep"]},
        {"footage": ["\\\\example.com\\share\\a.png"]},
    ],
    ids=str,
)
def test_a_bundle_names_nothing_beyond_itself(desk: Any, told: Json) -> None:
    """What a designer's own ``flatrender.json`` says opens no file of the machine's or network."""
    (desk.folder / "secret.aep").write_bytes(projects.encode(desk.project))
    desk.ae.behave()
    told = json.loads(json.dumps(told).replace("{folder}", str(desk.folder)))
    manifest = {"project": "project.aep", "comp": "frfinal", "mode": "Fix", **told}
    with pytest.raises(AerenderFailed) as caught:
        read(desk, emulator.bundle(desk.project, desk.files, manifest))
    assert caught.value.code == "package_broken"
    assert desk.ae.runs("AfterFX") == 0


def test_a_project_without_a_composition_is_the_designers(desk: Any) -> None:
    desk.project["items"] = []
    with pytest.raises(TemplateBroken):
        read(desk, emulator.bundle(desk.project))


@pytest.mark.parametrize(
    ("wrong", "patience", "expected"),
    [
        ({"hang": "launch"}, {"launch": 0.4}, "launch_timeout"),
        ({"hang": "open"}, {"open": 0.4}, "open_timeout"),
        ({"hang": "frames"}, {"first_frame": 0.4, "frame": 0.4}, "frame_timeout"),
        ({"hang": "frames", "at": 1}, {"frame": 0.4, "frame_ceiling": 0.4}, "frame_timeout"),
        ({"refuse": True}, {"open": 0.4}, "instance_refused"),
        ({"crash": signal.SIGSEGV, "at": 1}, {}, "process_died"),
        ({"crash": 1}, {}, "ae_runtime"),
        ({"result": "truncated"}, {}, "process_died"),
        ({"result": "utf16"}, {}, "process_died"),
        ({"result": "none"}, {}, "process_died"),
        ({"handed": True}, {}, "instance_refused"),
        ({"exit": 7}, {}, "aerender_runtime"),
        ({"lines": ["After Effects error: Your trial has expired."], "exit": 9}, {},
         "licence_refused"),
    ],
)  # fmt: skip
def test_what_goes_wrong_is_named(desk: Any, wrong: Json, patience: Json, expected: str) -> None:
    assert code(desk, wrong, **patience) == expected


def test_a_project_that_after_effects_cannot_open_is_named(desk: Any) -> None:
    with pytest.raises(AerenderFailed) as caught:
        read(desk, b"RIFX\0\0\0\4Egg!")
    assert caught.value.code == "project_unreadable"


def test_one_that_does_not_leave_has_done_its_work(desk: Any) -> None:
    desk.ae.behave(AfterFX={"hang": "done"})
    patience = replace(desk.engine().settings.patience, exit=0.3)
    found = read(desk, emulator.bundle(desk.project, desk.files), patience=patience)
    assert len(found.comps) == 2


def test_a_scan_that_is_not_wanted_any_more_stops(desk: Any, tmp_path: Path) -> None:
    desk.ae.behave(AfterFX={"hang": "open"})
    data = emulator.bundle(desk.project, desk.files)
    path = tmp_path / "wanted"
    path.write_bytes(data)
    digest = hashlib.sha256(data).hexdigest()
    with pytest.raises(Stopped):
        desk.engine().scan(path, digest, "", lambda: desk.ae.runs("AfterFX") > 0)
