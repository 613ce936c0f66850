"""Whole projects: copied once, versioned, found by their owner only, trashed and restored."""

import asyncio
import secrets
from typing import Any
from uuid import uuid4

import pytest

from flatrender.security.principal import DEFAULT_TENANT_ID
from flatrender.testing.platform import Platform

NOWHERE = uuid4()


def _problem(answer: Any) -> dict[str, Any]:
    body: dict[str, Any] = answer.json()
    body.pop("request_id")
    body.pop("instance", None)
    return body


async def test_creating_copies_the_default_scenes_and_tells(
    platform: Platform, flex: Any, editor: Any
) -> None:
    work = await editor(flex, name="کار من")
    saved = work.saved
    assert [s["scene_key"] for s in saved["scenes"]] == ["intro", "body", "outro"]
    assert [s["position"] for s in saved["scenes"]] == [0, 1, 2]
    assert {c["type"] for c in work.scene("body")["contents"]} == {
        "text", "color", "image", "number", "gradient",
    }  # fmt: skip
    assert all(c["value"] is None for c in work.scene("body")["contents"])
    assert saved["duration"] == pytest.approx(5.5)  # 2 + 2 + 2 less the overlap
    assert (saved["name"], saved["version"], work.etag) == ("کار من", 1, '"v1"')
    assert saved["audio"]["music"]["music_id"] is not None
    assert saved["audio"]["music_volume"] == 0.6
    rows = await platform.sql(
        "SELECT payload->'data' AS data FROM studio.outbox WHERE name = 'studio.project.saved.v1' "
        "AND payload->'data'->>'saved_project_id' = $1",
        saved["id"],
    )
    assert len(rows) == 1


async def test_later_edits_of_the_template_change_nothing(
    flex: Any, editor: Any, make_template: Any
) -> None:
    first = await make_template()
    work = await editor(first)
    before = work.saved
    variant = first.data["variants"][0]
    renamed = [{**s, "duration": 3, "name": {"fa": "نو", "en": "new"}} for s in variant["scenes"]]
    again = await make_template({
        **first.data,
        "version": "2.0.0",
        "variants": [{**variant, "scenes": renamed[:2]}],
        "shared_colors": [{**first.data["shared_colors"][0], "default": "#ffffff"}],
    })  # fmt: skip
    assert again.container_id == first.container_id
    assert await work.look() == before
    # What may be added is the template as it was copied, too.
    added = await work.call("POST", "/scenes", {"scene_key": "extra"})
    assert added.status_code == 201, added.text
    assert work.scene("extra")["duration"] == 2
    fresh = await editor(again)
    assert [s["duration"] for s in fresh.saved["scenes"]] == [3, 3]
    assert fresh.saved["colors"][0]["value"] == "#ffffff"


async def test_creating_twice_under_one_key_makes_one(platform: Platform, flex: Any) -> None:
    person = await platform.person()
    headers = {**person.headers, "Idempotency-Key": secrets.token_hex(8)}
    body = {"project_id": str(flex.project_id)}
    first = await platform.client.post("/v1/saved-projects", json=body, headers=headers)
    second = await platform.client.post("/v1/saved-projects", json=body, headers=headers)
    other = await platform.client.post(
        "/v1/saved-projects", json={**body, "name": "x"}, headers=headers
    )
    assert first.status_code == second.status_code == 201
    assert first.json() == second.json()
    assert other.status_code == 422
    listed = await platform.client.get("/v1/saved-projects", headers=person.headers)
    assert [p["id"] for p in listed.json()["data"]] == [first.json()["id"]]


async def test_a_preset_colours_the_copy_and_an_unknown_one_is_refused(
    platform: Platform, flex: Any, editor: Any
) -> None:
    work = await editor(flex, preset="sand")
    assert work.saved["colors"][0]["value"] == "#c2b280"
    assert work.saved["preset"] == "sand"
    refused = await platform.client.post(
        "/v1/saved-projects",
        json={"project_id": str(flex.project_id), "preset": "moon"},
        headers=work.person.headers,
    )
    assert refused.status_code == 422
    assert [(e["pointer"], e["code"]) for e in refused.json()["errors"]] == [
        ("/preset", "unknown_preset")
    ]


async def test_fields_a_caller_may_not_set_are_refused(platform: Platform, flex: Any) -> None:
    person = await platform.person()
    for extra in ({"tenant_id": str(uuid4())}, {"user_id": str(uuid4())}, {"version": 9}):
        answer = await platform.client.post(
            "/v1/saved-projects",
            json={"project_id": str(flex.project_id), **extra},
            headers=person.headers,
        )
        assert answer.status_code == 422, extra


@pytest.mark.parametrize("name", ["a\x07", "a\nb", "\u202egnp.exe", "\u2066a"])
async def test_a_name_changes_no_words_beside_it(
    platform: Platform, flex: Any, editor: Any, name: str
) -> None:
    work = await editor(flex, name="\u0645\u06cc\u200c\u0631\u0648\u0645 \u200e2")
    assert work.saved["name"] == "\u0645\u06cc\u200c\u0631\u0648\u0645 \u200e2"
    answer = await platform.client.post(
        "/v1/saved-projects",
        json={"project_id": str(flex.project_id), "name": name},
        headers=(await platform.person()).headers,
    )
    assert answer.status_code == 422, answer.text
    (error,) = answer.json()["errors"]
    assert (error["pointer"], error["code"] in {"control_character", "bidi_control"}) == (
        "/name",
        True,
    )


async def test_an_edit_needs_the_version_it_has_seen(flex: Any, editor: Any) -> None:
    work = await editor(flex)
    blind = await work.platform.client.patch(
        work.url, json={"name": "blind"}, headers=work.person.headers
    )
    assert blind.status_code == 428
    first = await work.call("PATCH", body={"name": "one"})
    assert (first.status_code, work.etag, work.saved["version"]) == (200, '"v2"', 2)
    stale = await work.call("PATCH", body={"name": "two"}, **{"If-Match": '"v1"'})
    assert stale.status_code == 412
    assert stale.json()["code"] == "version_conflict"
    assert (await work.look())["name"] == "one"
    weak = await work.call("PATCH", body={"name": "x"}, **{"If-Match": 'W/"v2"'})
    assert weak.status_code == 412  # If-Match compares strongly (RFC 9110 section 13.1.1)


async def test_of_parallel_edits_one_wins_per_version(flex: Any, editor: Any) -> None:
    work = await editor(flex)

    async def edit(name: str, tag: str) -> Any:
        headers = {**work.person.headers, "If-Match": tag}
        return await work.platform.client.patch(work.url, json={"name": name}, headers=headers)

    for round_ in range(1, 6):  # only the later ones meet open connections, and each other
        answers = await asyncio.gather(*(edit(f"{round_}.{n}", work.etag) for n in range(8)))
        assert sorted(a.status_code for a in answers) == [200] + [412] * 7
        (winner,) = [a for a in answers if a.status_code == 200]
        assert (await work.look())["name"] == winner.json()["name"]
        assert work.etag == f'"v{round_ + 1}"'


async def test_the_list_pages_and_knows_the_trash(
    platform: Platform, flex: Any, editor: Any
) -> None:
    person = await platform.person()
    made = [(await editor(flex, person, name=f"n{n}")).saved["id"] for n in range(5)]
    seen: list[str] = []
    query: dict[str, Any] = {"page_size": 2}
    while True:
        page = (
            await platform.client.get("/v1/saved-projects", params=query, headers=person.headers)
        ).json()
        seen += [p["id"] for p in page["data"]]
        if not page["meta"]["has_more"]:
            break
        query["cursor"] = page["meta"]["cursor"]
    assert seen == made[::-1]

    headers = person.headers
    gone = await platform.client.delete(f"/v1/saved-projects/{made[0]}", headers=headers)
    assert gone.status_code == 204
    again = await platform.client.delete(f"/v1/saved-projects/{made[0]}", headers=headers)
    missing = await platform.client.get(f"/v1/saved-projects/{made[0]}", headers=headers)
    assert (again.status_code, missing.status_code) == (404, 404)
    listed = await platform.client.get("/v1/saved-projects", headers=headers)
    trash = await platform.client.get("/v1/saved-projects?trashed=true", headers=headers)
    assert made[0] not in [p["id"] for p in listed.json()["data"]]
    assert [p["id"] for p in trash.json()["data"]] == [made[0]]
    back = await platform.client.post(f"/v1/saved-projects/{made[0]}/restore", headers=headers)
    assert (back.status_code, back.json()["name"]) == (200, "n0")
    twice = await platform.client.post(f"/v1/saved-projects/{made[0]}/restore", headers=headers)
    assert twice.status_code == 404


async def test_other_peoples_projects_are_not_there(
    platform: Platform, flex: Any, editor: Any
) -> None:
    """Another user of the tenant, and a user of another tenant: the same as a missing id."""
    work = await editor(flex)
    _, key = await platform.tenant()
    strangers = [await platform.person(), await platform.person(tenant_key=key)]
    scene = work.saved["scenes"][0]["id"]
    acts: list[tuple[str, str, Any]] = [
        ("GET", "", None),
        ("PATCH", "", {"name": "mine"}),
        ("DELETE", "", None),
        ("POST", "/restore", None),
        ("PUT", "/contents", {"scenes": {scene: {"box": "#000000"}}}),
        ("PUT", "/colors", {"preset": "sea"}),
        ("PUT", "/audio", {"music": None}),
        ("PATCH", f"/scenes/{scene}", {"duration": 3}),
        ("POST", "/scenes", {"scene_key": "extra"}),
        ("POST", f"/scenes/{scene}/duplicate", None),
        ("DELETE", f"/scenes/{scene}", None),
        ("PUT", "/scene-order", {"order": [s["id"] for s in work.saved["scenes"]]}),
    ]
    for person in strangers:
        for method, path, body in acts:
            headers = {**person.headers, "If-Match": "*"}
            answers = [
                await platform.client.request(
                    method, f"/v1/saved-projects/{where}{path}", json=body, headers=headers
                )
                for where in (work.saved["id"], NOWHERE)
            ]
            assert [a.status_code for a in answers] == [404, 404], (method, path, answers[0].text)
            assert _problem(answers[0]) == _problem(answers[1])
    assert await work.look() == work.saved
    assert work.saved["version"] == 1


async def test_a_scene_of_another_project_is_not_there(flex: Any, editor: Any) -> None:
    work = await editor(flex)
    other = await editor(flex, work.person)
    scene = other.scene("body")["id"]
    for method, path, body in (
        ("PATCH", f"/scenes/{scene}", {"duration": 3}),
        ("POST", f"/scenes/{scene}/duplicate", None),
        ("DELETE", f"/scenes/{scene}", None),
    ):
        answer = await work.call(method, path, body)
        assert answer.status_code == 404, (method, path)
    filled = await work.fill({scene: {"box": "#000000"}})
    assert filled.status_code == 422
    assert [(e["pointer"], e["code"]) for e in filled.json()["errors"]] == [
        (f"/scenes/{scene}", "unknown_scene")
    ]
    before = other.saved
    assert await other.look() == before


async def test_another_tenants_template_cannot_be_copied(
    platform: Platform, make_template: Any
) -> None:
    tenant_id, key = await platform.tenant()
    theirs = await make_template(tenant=tenant_id)
    stranger, member = await platform.person(), await platform.person(tenant_key=key)
    assert stranger.tenant_id == DEFAULT_TENANT_ID
    answers = [
        await platform.client.post(
            "/v1/saved-projects", json={"project_id": str(where)}, headers=stranger.headers
        )
        for where in (theirs.project_id, NOWHERE)
    ]
    assert [a.status_code for a in answers] == [404, 404]
    assert _problem(answers[0]) == _problem(answers[1])
    own = await platform.client.post(
        "/v1/saved-projects", json={"project_id": str(theirs.project_id)}, headers=member.headers
    )
    assert own.status_code == 201, own.text
