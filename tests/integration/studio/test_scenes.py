"""Structure: what a Fix template refuses, what a Flexible one keeps true whatever is done."""

import random
from typing import Any
from uuid import UUID

import pytest

from flatrender.contracts.studio import SavedProjects
from flatrender.errors import DomainError
from flatrender.testing.packages import picture, silence


def _code(answer: Any) -> tuple[int, str]:
    return answer.status_code, answer.json()["code"]


def _keys(work: Any) -> list[str]:
    return [s["scene_key"] for s in work.saved["scenes"]]


async def test_a_fixed_template_keeps_its_scenes(fixed: Any, editor: Any) -> None:
    work = await editor(fixed)
    # A Fix template shows all of its scenes: nothing can be added later.
    assert _keys(work) == ["intro", "body", "extra", "outro"]
    ids = [s["id"] for s in work.saved["scenes"]]
    for method, path, body in (
        ("POST", "/scenes", {"scene_key": "extra"}),
        ("POST", f"/scenes/{ids[1]}/duplicate", None),
        ("DELETE", f"/scenes/{ids[1]}", None),
        ("PUT", "/scene-order", {"order": ids[::-1]}),
    ):
        assert _code(await work.call(method, path, body)) == (409, "fixed_structure"), path
    assert (await work.look())["version"] == 1
    longer = await work.call("PATCH", f"/scenes/{ids[0]}", {"duration": 3.5, "title": "آغاز"})
    assert longer.status_code == 200
    assert (work.saved["scenes"][0]["duration"], work.saved["scenes"][0]["title"]) == (3.5, "آغاز")


async def test_durations_stay_within_their_limits(flex: Any, editor: Any) -> None:
    work = await editor(flex)
    scene = work.scene("body")["id"]
    for wanted in (0.99, 4.01):
        answer = await work.call("PATCH", f"/scenes/{scene}", {"duration": wanted})
        assert answer.status_code == 422
        assert [(e["pointer"], e["code"]) for e in answer.json()["errors"]] == [
            ("/duration", "duration_out_of_range")
        ]
    for wanted in (1, 4):
        assert (await work.call("PATCH", f"/scenes/{scene}", {"duration": wanted})).is_success
    assert work.saved["duration"] == pytest.approx(7.5)


async def test_adding_duplicating_removing_reordering(flex: Any, editor: Any) -> None:
    work = await editor(flex)
    await work.call("POST", "/scenes", {"scene_key": "extra", "position": 1})
    assert _keys(work) == ["intro", "extra", "body", "outro"]
    await work.call("POST", "/scenes", {"scene_key": "body"})
    assert _keys(work)[-1] == "body"
    again = await work.call("POST", "/scenes", {"scene_key": "extra"})
    assert _code(again) == (409, "scene_not_repeatable")
    ghost = await work.call("POST", "/scenes", {"scene_key": "ghost"})
    assert ghost.json()["errors"][0]["pointer"] == "/scene_key"
    twice = await work.call("POST", f"/scenes/{work.scene('intro')['id']}/duplicate")
    assert _code(twice) == (409, "scene_not_repeatable")
    for _ in range(2):
        assert (await work.call("POST", f"/scenes/{work.scene('body')['id']}/duplicate")).is_success
    full = await work.call("POST", f"/scenes/{work.scene('body')['id']}/duplicate")
    assert _code(full) == (409, "scene_not_repeatable")
    kept = await work.call("DELETE", f"/scenes/{work.scene('intro')['id']}")
    assert _code(kept) == (409, "scene_not_removable")

    order = [s["id"] for s in work.saved["scenes"]][::-1]
    assert (await work.call("PUT", "/scene-order", {"order": order})).is_success
    assert [s["id"] for s in work.saved["scenes"]] == order
    for wrong in (order[:-1], [*order, order[0]], [order[0]] * len(order)):
        answer = await work.call("PUT", "/scene-order", {"order": wrong})
        assert answer.json()["errors"][0]["code"] == "order_incomplete"
    assert [s["position"] for s in work.saved["scenes"]] == list(range(len(order)))


async def test_adding_under_one_key_adds_once(flex: Any, editor: Any) -> None:
    work = await editor(flex)
    sent = {"If-Match": work.etag, "Idempotency-Key": f"add-{work.saved['id']}"}
    first = await work.call("POST", "/scenes", {"scene_key": "body"}, **sent)
    second = await work.call("POST", "/scenes", {"scene_key": "body"}, **sent)
    assert (first.status_code, second.status_code) == (201, 201)
    assert second.json() == first.json()
    assert _keys(work).count("body") == 2


async def _source(work: Any) -> Any:
    studio = work.platform.runtime.port(SavedProjects)
    person = work.person
    return await studio.render_source(person.tenant_id, person.id, UUID(work.saved["id"]))


async def test_two_copies_of_a_scene_never_collide(flex: Any, editor: Any, upload: Any) -> None:
    work = await editor(flex)
    first = work.scene("body")["id"]
    own = await upload(work.person, picture(300, 200), "image/png", "image")
    voice = await upload(work.person, silence(1.0), "audio/wav", "voiceover")
    await work.fill({first: {"headline": "یکم", "photo": {"file_id": own}}})
    await work.call("POST", f"/scenes/{first}/duplicate")
    second = work.scene("body", 1)["id"]
    assert work.value(work.scene("body", 1), "headline") == "یکم"
    await work.fill({second: {"headline": "دوم", "box": "#010203"}})
    await work.call("PUT", "/audio", {"voiceover": {"file_id": voice, "start": 0.5}})
    await work.call("PUT", "/colors", {"preset": "sea"})

    source = await _source(work)
    composition = source.composition
    values = {s.id: s.values for s in composition.scenes}
    assert [s.scene_key for s in composition.scenes] == ["intro", "body", "body", "outro"]
    assert (values[first]["headline"], values[second]["headline"]) == ("یکم", "دوم")
    assert "box" not in values[first]
    assert values[second]["box"] == "#010203"
    assert values[first]["photo"] == values[second]["photo"]
    assert values[first]["photo"].object_key
    assert composition.colors == {"primary": "#003366"}
    assert (source.version, source.has_voiceover) == (work.saved["version"], True)
    music, spoken, *effects = composition.audio
    assert (music.role, music.volume, spoken.role, spoken.start) == ("music", 0.6, "voice", 0.5)
    # Each copy brings its own sound: 0.5 s after it begins, overlaps taken off.
    assert [(c.source, c.start) for c in effects] == [
        ("package:u/hit.wav", 2.0), ("package:u/hit.wav", 3.5),
    ]  # fmt: skip


async def test_an_incomplete_project_says_what_is_missing(flex: Any, editor: Any) -> None:
    work = await editor(flex)
    await work.call("POST", "/scenes", {"scene_key": "body"})
    first, second = (work.scene("body", n)["id"] for n in (0, 1))
    await work.fill({first: {"headline": "هست"}, second: {"headline": " "}})
    with pytest.raises(DomainError) as refused:
        await _source(work)
    assert refused.value.code == "project_incomplete"
    assert refused.value.status == 422
    assert [(e.pointer, e.code) for e in refused.value.errors] == [
        (f"/scenes/{second}/headline", "required")
    ]
    await work.fill({second: {"headline": "این هم"}})
    assert (await _source(work)).composition.scenes


async def test_nobody_else_gets_a_render_source(flex: Any, editor: Any) -> None:
    work = await editor(flex)
    stranger = await editor(flex)
    studio = work.platform.runtime.port(SavedProjects)
    project = UUID(work.saved["id"])
    assert (
        await studio.render_source(stranger.person.tenant_id, stranger.person.id, project) is None
    )
    assert await studio.render_source(UUID(int=5), work.person.id, project) is None


@pytest.mark.parametrize("seed", range(4))
async def test_whatever_is_done_the_structure_stays_sound(
    flex: Any, editor: Any, seed: int
) -> None:
    """A random run of edits, refused ones among them, against a model of what must be there."""
    chance = random.Random(seed)
    work = await editor(flex)
    texts: dict[str, str | None] = {s["id"]: None for s in work.saved["scenes"]}
    order = [s["id"] for s in work.saved["scenes"]]
    keys = {s["id"]: s["scene_key"] for s in work.saved["scenes"]}
    for step in range(20):
        act = chance.choice(("add", "duplicate", "remove", "reorder", "text", "length"))
        chosen = chance.choice(order)
        place = order.index(chosen)
        version = work.saved["version"]
        if act == "add":
            at = chance.randrange(len(order) + 3)
            answer = await work.call(
                "POST", "/scenes",
                {"scene_key": chance.choice(("body", "extra", "intro")), "position": at},
            )  # fmt: skip
            place = min(at, len(order)) - 1
        elif act == "duplicate":
            answer = await work.call("POST", f"/scenes/{chosen}/duplicate")
        elif act == "remove":
            answer = await work.call("DELETE", f"/scenes/{chosen}")
        elif act == "reorder":
            wanted = chance.sample(order, len(order))
            answer = await work.call("PUT", "/scene-order", {"order": wanted})
        elif act == "text":
            answer = await work.fill({chosen: {"headline": f"n{step}"}})
        else:
            answer = await work.call(
                "PATCH", f"/scenes/{chosen}", {"duration": chance.choice((0.5, 1, 2.5, 4, 9))}
            )
        if answer.is_success:
            assert work.saved["version"] == version + 1
            if act in ("add", "duplicate"):
                (fresh,) = {s["id"] for s in work.saved["scenes"]} - set(order)
                order.insert(place + 1, fresh)
                keys[fresh] = work.saved["scenes"][place + 1]["scene_key"]
                texts[fresh] = texts[chosen] if act == "duplicate" else None
            elif act == "remove":
                order.remove(chosen)
            elif act == "reorder":
                order = wanted
            elif act == "text":
                texts[chosen] = f"n{step}"
        else:
            assert answer.status_code in (409, 422), answer.text
        await work.look()
        scenes = work.saved["scenes"]
        assert [s["id"] for s in scenes] == order
        assert [s["position"] for s in scenes] == list(range(len(order)))
        assert [s["scene_key"] for s in scenes] == [keys[i] for i in order]
        assert sum(k == "body" for k in (keys[i] for i in order)) <= 4
        assert {"intro", "outro"} <= {keys[i] for i in order}
        for scene in scenes:
            assert scene["min_duration"] <= scene["duration"] <= scene["max_duration"]
            if scene["scene_key"] == "body":
                assert work.value(scene, "headline") == texts[scene["id"]]
