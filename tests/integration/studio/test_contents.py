"""Values, colours and sound: every refusal by place and code, nothing kept of a refused edit."""

from typing import Any
from uuid import uuid4

import pytest

from flatrender.testing.packages import picture, silence
from flatrender.testing.platform import Platform

GOOD = {"headline": "سلام", "motto": "خط یک\nخط دو", "box": "#ABC", "level": 55,
        "sky": [{"at": 1, "color": "#FFFFFF"}, {"at": 0, "color": "#000000"}]}  # fmt: skip
REFUSED: list[tuple[str, Any, str]] = [
    ("headline", 7, "text_invalid"),
    ("headline", "سیزده حرف است", "text_too_long"),
    ("motto", "a\nb\nc", "text_too_many_lines"),
    ("box", "red", "color_invalid"),
    ("level", "5", "number_invalid"),
    ("level", 105, "number_out_of_range"),
    ("level", 52, "number_off_step"),
    ("sky", [{"at": 0, "color": "#000000"}], "gradient_invalid"),
    ("photo", "i/pic.png", "file_not_found"),
    ("photo", {"file_id": "nonsense"}, "file_not_found"),
    ("photo", {"file_id": str(uuid4())}, "file_not_found"),
    ("shoe/size~", 1, "unknown_slot"),
]


def _errors(answer: Any) -> list[tuple[str, str]]:
    assert answer.status_code == 422, answer.text
    assert answer.json()["code"] == "validation_failed"
    return [(e["pointer"], e["code"]) for e in answer.json()["errors"]]


async def test_values_are_normalised_kept_and_reset(flex: Any, editor: Any) -> None:
    work = await editor(flex)
    scene = work.scene("body")
    answer = await work.fill({scene["id"]: GOOD})
    assert answer.status_code == 200, answer.text
    assert work.value(scene, "headline") == "سلام"
    assert work.value(scene, "box") == "#aabbcc"
    assert work.value(scene, "level") == 55
    assert [s["at"] for s in work.value(scene, "sky")] == [0, 1]
    assert await work.look() == answer.json()
    # What is not named stays; null is the template's own again.
    await work.fill({scene["id"]: {"headline": None}})
    assert work.value(scene, "headline") is None
    assert work.value(scene, "motto") == "خط یک\nخط دو"


@pytest.mark.parametrize(("key", "value", "code"), REFUSED)
async def test_each_refusal_names_its_place(
    flex: Any, editor: Any, key: str, value: Any, code: str
) -> None:
    work = await editor(flex)
    scene = work.scene("body")["id"]
    answer = await work.fill({scene: {"motto": "نگه ندار", **{key: value}}})
    place = key.replace("~", "~0").replace("/", "~1")
    assert _errors(answer) == [(f"/scenes/{scene}/{place}", code)]
    assert (await work.look())["version"] == 1
    assert work.value(work.scene("body"), "motto") is None  # nothing of a refused edit is kept


async def test_all_refusals_come_at_once(flex: Any, editor: Any) -> None:
    work = await editor(flex)
    body, intro = work.scene("body")["id"], work.scene("intro")["id"]
    ghost = str(uuid4())
    answer = await work.fill(
        {body: {"headline": 1, "level": 1}, intro: {"box": "no"}, ghost: {"box": "#000000"}}
    )
    assert sorted(_errors(answer)) == sorted([
        (f"/scenes/{body}/headline", "text_invalid"),
        (f"/scenes/{body}/level", "number_off_step"),
        (f"/scenes/{intro}/box", "color_invalid"),
        (f"/scenes/{ghost}", "unknown_scene"),
    ])  # fmt: skip


async def test_pictures_are_the_persons_own_and_large_enough(
    platform: Platform, flex: Any, editor: Any, upload: Any
) -> None:
    work = await editor(flex)
    stranger = await platform.person()
    scene = work.scene("body")
    place = f"/scenes/{scene['id']}/photo"
    own = await upload(work.person, picture(200, 150), "image/png", "image")
    small = await upload(work.person, picture(64, 64), "image/png", "image")
    sound = await upload(work.person, silence(0.5), "audio/wav", "audio")
    foreign = await upload(stranger, picture(200, 150, "#ff0000"), "image/png", "image")

    for file_id, code in (
        (foreign, "file_not_found"), (sound, "file_not_found"), (small, "image_too_small"),
    ):  # fmt: skip
        answer = await work.fill({scene["id"]: {"photo": {"file_id": file_id}}})
        assert _errors(answer) == [(place, code)]
    framed = await work.fill({scene["id"]: {"photo": {"file_id": own, "zoom": 40}}})
    assert _errors(framed) == [(place, "image_invalid")]

    kept = await work.fill({scene["id"]: {"photo": {"file_id": own, "focus_x": 0.25, "zoom": 2}}})
    assert kept.status_code == 200, kept.text
    value = work.value(scene, "photo")
    assert (value["file_id"], value["focus_x"], value["zoom"]) == (own, 0.25, 2)
    assert "object_key" not in kept.text  # where the bytes lie is ours


async def test_colours_by_key_and_by_preset(flex: Any, editor: Any) -> None:
    work = await editor(flex)

    def primary() -> str:
        return str(work.saved["colors"][0]["value"])

    await work.call("PUT", "/colors", {"colors": {"primary": "#0F0"}})
    assert (primary(), work.saved["preset"]) == ("#00ff00", None)
    await work.call("PUT", "/colors", {"preset": "sea"})
    assert (primary(), work.saved["preset"]) == ("#003366", "sea")
    await work.call("PUT", "/colors", {"colors": {"primary": None}})
    assert primary() == "#112233"
    version = work.saved["version"]
    for body, error in (
        ({"colors": {"primary": "blue"}}, ("/colors/primary", "color_invalid")),
        ({"colors": {"moon": "#000000"}}, ("/colors/moon", "unknown_color")),
        ({"preset": "moon"}, ("/preset", "unknown_preset")),
    ):
        assert _errors(await work.call("PUT", "/colors", body)) == [error]
    assert (await work.look())["version"] == version


async def test_sound_of_the_library_and_of_own_files(
    platform: Platform, flex: Any, editor: Any, upload: Any
) -> None:
    work = await editor(flex)
    own = await upload(work.person, silence(2.0), "audio/wav", "audio")
    library = work.saved["audio"]["music"]["music_id"]
    answer = await work.call(
        "PUT",
        "/audio",
        {
            "music": {"file_id": own, "trim_start": 0.5, "trim_end": 1.5, "loop": False},
            "voiceover": {"file_id": own, "start": 1.0, "fade_in": 0.2},
            "sfx": [{"file_id": own, "start": 0.5, "volume": 0.4}, {"file_id": own, "start": 2}],
            "music_volume": 0.3,
            "voiceover_volume": 1.5,
            "sfx_volume": 0.7,
        },
    )
    assert answer.status_code == 200, answer.text
    audio = work.saved["audio"]
    assert (audio["music"]["file_id"], audio["music"]["music_id"]) == (own, None)
    assert audio["music"]["trim_end"] == 1.5
    assert audio["voiceover"]["start"] == 1.0
    assert [s["start"] for s in audio["sfx"]] == [0.5, 2]
    assert (audio["music_volume"], audio["sfx_volume"], audio["voiceover_volume"]) == (
        0.3,
        0.7,
        1.5,
    )

    # Absent parts stay, null takes out.
    await work.call("PUT", "/audio", {"music": {"music_id": library}, "voiceover": None})
    audio = work.saved["audio"]
    assert (audio["music"]["music_id"], audio["voiceover"]) == (library, None)
    assert len(audio["sfx"]) == 2
    await work.call("PUT", "/audio", {"music": None, "sfx": []})
    assert (work.saved["audio"]["music"], work.saved["audio"]["sfx"]) == (None, [])


async def test_sound_that_cannot_be_is_refused(
    platform: Platform, flex: Any, editor: Any, upload: Any
) -> None:
    work = await editor(flex)
    own = await upload(work.person, silence(2.0), "audio/wav", "audio")
    image = await upload(work.person, picture(), "image/png", "image")
    foreign = await upload(await platform.person(), silence(2.0), "audio/wav", "audio")
    cases: list[tuple[Any, list[tuple[str, str]]]] = [
        ({"music": {"file_id": foreign}}, [("/music/file_id", "file_not_found")]),
        ({"music": {"music_id": str(uuid4())}}, [("/music/music_id", "music_not_found")]),
        ({"music": {}}, [("/music", "music_source_invalid")]),
        ({"voiceover": {"file_id": foreign}}, [("/voiceover/file_id", "file_not_found")]),
        ({"voiceover": {"file_id": image}}, [("/voiceover/file_id", "file_not_found")]),
        ({"sfx": [{"file_id": own}, {"file_id": foreign}]}, [("/sfx/1/file_id", "file_not_found")]),
        (
            {"music": {"file_id": own, "trim_start": 1, "trim_end": 1}},
            [("/music/trim_end", "trim_invalid")],
        ),
    ]
    for body, errors in cases:
        answer = await work.call("PUT", "/audio", {"music_volume": 0.1, **body})
        assert _errors(answer) == errors, body
    for body in ({"music_volume": 2.5}, {"sfx_volume": -1}, {"voiceover_volume": "loud"}):
        assert (await work.call("PUT", "/audio", body)).status_code == 422
    assert (await work.look())["audio"]["music_volume"] == 0.6
    assert work.saved["version"] == 1
