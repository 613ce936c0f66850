"""Studio's pure rules: what a project becomes when it is frozen."""

from typing import Any
from uuid import UUID, uuid4

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from flatrender.template.manifest import SceneSound, Transition
from flatrender.template.timing import duration_seconds
from flatrender_studio.domain import (
    Content,
    Project,
    Scene,
    compose,
    duration_error,
    length,
    scene_values,
)


def _content(key: str = "headline", **changes: Any) -> Content:
    values: dict[str, Any] = {
        "key": key, "type": "text", "name_fa": key, "name_en": key, "required": False,
        "group": None, "value": None, "default": "x", "limits": {"max_chars": 5}, **changes,
    }  # fmt: skip
    return Content(**values)


def _scene(position: int = 0, *contents: Content, **changes: Any) -> Scene:
    values: dict[str, Any] = {
        "id": uuid4(), "key": "body", "name_fa": "b", "name_en": "b", "title": None,
        "animation": "main", "position": position, "duration": 2.0, "default_duration": 2.0,
        "min_duration": 1.0, "max_duration": 4.0, "intro": 0.0, "outro": 0.0,
        "transition": Transition(), "sounds": [], "repeatable": True, "removable": True,
        "max_repeats": 9, "contents": list(contents), **changes,
    }  # fmt: skip
    return Scene(**values)


def _project(*scenes: Scene, **changes: Any) -> Project:
    raw: dict[str, Any] = dict.fromkeys(Project.__struct_fields__)
    raw |= {
        "id": uuid4(), "user_id": uuid4(), "aspect": "16:9", "width": 320, "height": 180,
        "fps": 30, "direction": "rtl", "scenes": list(scenes), "colors": [], "sounds": [],
        "sfx_enabled": True, "sfx_volume": 0.5, "music_volume": 0.8, "voiceover_volume": 1.0,
        "music_start": 0.0, "music_trim_start": 0.0, "music_fade_in": 0.0, "music_fade_out": 0.0,
        "music_loop": True, "voiceover_start": 0.0, "voiceover_trim_start": 0.0,
        "voiceover_fade_in": 0.0, "voiceover_fade_out": 0.0, **changes,
    }  # fmt: skip
    return Project(**raw)


def test_values_are_nested_by_instance() -> None:
    one, two = (_scene(n, _content(value=text)) for n, text in enumerate(("یک", "دو")))
    composition, errors = compose(_project(two, one))
    assert errors == []
    assert [(s.id, s.values) for s in composition.scenes] == [
        (str(one.id), {"headline": "یک"}), (str(two.id), {"headline": "دو"}),
    ]  # fmt: skip


def test_a_stored_value_that_no_longer_fits_is_named() -> None:
    scene = _scene(0, _content(value="too long by far"), _content("motto", required=True))
    _, errors = scene_values(scene, "/scenes/s")
    assert [(e.pointer, e.code) for e in errors] == [
        ("/scenes/s/headline", "text_too_long"), ("/scenes/s/motto", "required"),
    ]  # fmt: skip


def test_effects_follow_their_scene_and_the_switch() -> None:
    sound = SceneSound(path="u/hit.wav", at=0.5)
    late = SceneSound(path="u/late.wav", at=3.0)  # behind the scene's end: not heard
    cross = Transition(kind="crossfade", overlap=0.5)
    scenes = [_scene(0, sounds=[sound, late]), _scene(1, sounds=[sound], transition=cross)]
    clips = compose(_project(*scenes))[0].audio
    assert [(c.source, c.start, c.volume) for c in clips] == [
        ("package:u/hit.wav", 0.5, 0.5), ("package:u/hit.wav", 2.0, 0.5),
    ]  # fmt: skip
    assert compose(_project(*scenes, sfx_enabled=False))[0].audio == []


def test_a_trimmed_music_has_its_span() -> None:
    project = _project(
        _scene(), music_object_key="k", music_sha256="s", music_trim_start=1.0, music_trim_end=2.5
    )
    (clip,) = compose(project)[0].audio
    assert (clip.role, clip.trim_start, clip.duration, clip.loop) == ("music", 1.0, 1.5, True)


@given(st.floats(0, 10, allow_nan=False))
def test_a_duration_is_within_the_limits_or_refused(wanted: float) -> None:
    refused = duration_error(_scene(), wanted, "/duration")
    assert (refused is None) == (1.0 <= wanted <= 4.0)


@given(st.lists(st.tuples(st.floats(1, 4), st.floats(0, 5)), min_size=1, max_size=12))
def test_the_length_is_what_the_renderer_will_make(parts: list[tuple[float, float]]) -> None:
    scenes = [
        _scene(n, duration=seconds, transition=Transition(kind="slide", overlap=overlap))
        for n, (seconds, overlap) in enumerate(parts)
    ]
    composition, _ = compose(_project(*scenes))
    assert abs(length(scenes) - duration_seconds(composition)) < 1e-5
    assert 0 < length(scenes) <= sum(s.duration for s in scenes) + 1e-6


def test_no_scenes_have_no_length() -> None:
    assert length([]) == 0.0


def test_ids_survive_a_round_trip() -> None:
    scene = _scene()
    again = msgspec.convert(msgspec.to_builtins(scene), Scene, strict=False)
    assert isinstance(again.id, UUID)
    assert again == scene
