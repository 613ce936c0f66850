"""What is heard in a project becomes sounds of its scenes: where, how long, how loud."""

from typing import Any

import msgspec
import pytest

from flatrender.template.manifest import Mode, SceneSound
from flatrender.template.project_scan import (
    ProjectScan,
    ScanComp,
    ScanFootage,
    ScanLayer,
    ScanSound,
)
from flatrender.testing.aep import Comp, Footage, Layer, project
from flatrender_content.aep.naming import propose
from flatrender_content.aep.proposal import Proposal
from flatrender_content.aep.reader import read_project
from flatrender_content.aep.sounds import MOST_SOUNDS

SONG = ScanFootage(
    id=90, name="a.wav", kind="audio", path="C:\\a.wav", duration=30.0, bundled="(Footage)/a 1.wav"
)


def layer(number: int, source: int, begin: float, end: float, **more: Any) -> ScanLayer:
    """Return a layer that is heard; ``start`` is its own begin where it is not given."""
    sound = ScanSound(
        start=more.pop("start", begin),
        level_db=more.pop("level", 0.0),
        varies=more.pop("varies", False),
    )
    given = {"kind": "audio", "name": f"s{number}", "sound": sound, **more}
    return ScanLayer(id=number, source_id=source, in_point=begin, out_point=end, **given)


def words(number: int, key: str, begin: float, end: float) -> ScanLayer:
    return ScanLayer(
        id=number, name=f"frl_{key}", kind="text", in_point=begin, out_point=end, text="x"
    )


def comp(number: int, name: str, duration: float, *layers: ScanLayer) -> ScanComp:
    return ScanComp(
        id=number, name=name, width=1920, height=1080, fps=30.0, duration=duration,
        layers=list(layers),
    )  # fmt: skip


def proposed(*comps: ScanComp, mode: Mode = "Fix", footage: Any = (SONG,)) -> Proposal:
    found = propose(ProjectScan(kind="full", comps=list(comps), footage=list(footage)), mode)
    assert not found.problems, found.problems
    for scene in found.scenes:  # what is stored is read again by these rules
        msgspec.convert(msgspec.to_builtins(scene.sounds), list[SceneSound])
    return found


def heard(found: Proposal) -> dict[str, list[tuple[float, float | None, float, float]]]:
    return {
        scene.key: [(s.at, s.duration, s.trim_start, s.gain_db) for s in scene.sounds]
        for scene in found.scenes
    }


def codes(found: Proposal) -> set[str]:
    return {one.code for one in found.notes}


def two(*sounds: ScanLayer, **inner: ScanComp) -> tuple[ScanComp, ...]:
    """A Fix template of 10 s whose second scene begins at 4 s."""
    texts = (words(1, "c1t1", 0, 4), words(2, "c2t1", 4, 10))
    return (comp(1, "frfinal", 10, *texts, *sounds), *inner.values())


def test_a_sound_is_of_the_fix_scene_in_which_it_begins() -> None:
    found = proposed(*two(layer(5, 90, 1, 9), layer(6, 90, 4, 10, level=-6.0)))
    assert heard(found) == {"c1": [(1, 8, 0, 0)], "c2": [(0, 6, 0, -6)]}
    assert found.scenes[0].sounds[0].path == "(Footage)/a 1.wav"


def test_a_layer_that_was_cut_begins_inside_its_file_and_ends_with_it() -> None:
    cut = layer(5, 90, 2, 3.5, start=0.5)
    before = layer(6, 90, 0, 2, start=1)  # the layer is there before its file begins
    past = layer(7, 90, 5, 10, start=-24)
    assert heard(proposed(*two(cut, before, past))) == {
        "c1": [(1, 1, 0, 0), (2, 1.5, 1.5, 0)],
        "c2": [(1, 1, 29, 0)],
    }


def test_nested_sounds_are_heard_where_and_as_loud_as_their_comp() -> None:
    inner = comp(2, "inner", 3, layer(7, 90, 0.5, 3, level=-3.0))
    once = layer(5, 2, 4, 6, kind="comp", start=3.5, level=-2.0)
    again = layer(6, 2, 1, 9, kind="comp", varies=True)
    found = proposed(*two(once, again, inner=inner))
    assert heard(found) == {"c1": [(1.5, 2.5, 0, -3)], "c2": [(0, 2, 0, -5)]}
    assert "sound_varies" in codes(found)


@pytest.mark.parametrize(
    "silent",
    [
        layer(5, 90, 1, 9, sound=None),
        layer(5, 90, 1, 9, level=-60.0),
        layer(5, 90, 9, 9),
        layer(5, 91, 1, 9),
        layer(5, 92, 1, 9),
        layer(5, 2, 1, 9, kind="comp", sound=None),
    ],
    ids=["muted", "soft", "empty", "missing", "unknown", "comp muted"],
)
def test_what_is_not_heard_is_no_sound(silent: ScanLayer) -> None:
    missing = msgspec.structs.replace(SONG, id=91, bundled=None, missing=True)
    inner = comp(2, "inner", 3, layer(7, 90, 0.5, 3))
    found = proposed(*two(silent, inner=inner), footage=(SONG, missing))
    assert heard(found) == {"c1": [], "c2": []}


def test_a_level_is_within_what_a_mix_takes_and_a_change_is_said() -> None:
    found = proposed(*two(layer(5, 90, 1, 9, level=24.0, varies=True)))
    assert heard(found)["c1"] == [(1, 8, 0, 12)]
    assert codes(found) == {"sound_varies"}


def test_the_sound_of_video_is_left_out_and_said() -> None:
    film = msgspec.structs.replace(SONG, id=91, kind="video")
    found = proposed(*two(layer(5, 91, 1, 9, kind="video")), footage=(film,))
    assert heard(found)["c1"] == []
    assert "sound_of_video" in codes(found)


def test_flexible_scenes_have_the_sounds_of_their_comps() -> None:
    found = proposed(
        comp(1, "flatrender", 10, layer(8, 2, 3, 5, kind="comp"), layer(9, 90, 0, 10)),
        comp(2, "Intro", 2, words(3, "title", 0, 2), layer(4, 90, 0.5, 30)),
        mode="Flexible",
    )
    assert heard(found) == {"intro": [(0.5, 1.5, 0, 0)]}
    assert codes(found) == {"sound_outside"}


def test_comps_in_comps_in_comps_end_somewhere() -> None:
    """Eighteen comps, each twice in the next: 2**18 sounds, and one that holds itself."""
    inner = {
        f"c{n}": comp(n, f"n{n}", 10, *(layer(100 * n + k, n + 1, 0, 9, kind="comp")
                                        for k in range(2)))
        for n in range(2, 20)
    }  # fmt: skip
    inner["last"] = comp(20, "last", 10, layer(1, 90, 0, 1), layer(2, 2, 0, 9, kind="comp"))
    found = proposed(*two(layer(5, 2, 0, 9, kind="comp"), **inner))
    assert len(found.scenes[0].sounds) == MOST_SOUNDS
    assert "sounds_too_many" in codes(found)


def test_a_quick_scan_sees_where_sounds_begin_and_their_switch() -> None:
    data = project(
        Comp(
            id=1,
            name="frfinal",
            layers=[
                Layer(name="song", source=9, start=-1.0, begin=0.5, end=4.0),
                Layer(name="mute", source=9, audible=False),
                Layer(name="inner", source=2, begin=1.0, start=1.0),
                Layer(name="film", source=8),
            ],
        ),
        Comp(id=2, name="inner", layers=[]),
        Footage(id=9, path="C:\\a.wav"),
        Footage(id=8, path="C:\\a.mov"),
    )
    (final, _) = read_project(data).comps
    starts = [one.sound.start if one.sound else None for one in final.layers]
    assert starts == [-1.0, None, 1.0, None]
