"""Administrators keep the catalogue: taxonomy, slugs, hand edits, removal."""

from typing import Any
from uuid import uuid4

import pytest

from flatrender.testing import packages as build
from flatrender.testing.platform import Person, Platform


async def _add(
    platform: Platform, admin: Person, kind: str, slug: str, **more: Any
) -> dict[str, Any]:
    answer = await platform.client.post(
        f"/v1/admin/{kind}",
        json={"slug": slug, "name": build.label(slug), **more},
        headers=admin.headers,
    )
    assert answer.status_code == 201, answer.text
    made: dict[str, Any] = answer.json()
    return made


@pytest.mark.parametrize("kind", ["categories", "tags"])
async def test_taxonomy_comes_changes_and_goes(
    platform: Platform, admin: Person, fresh_slug: str, kind: str
) -> None:
    made = await _add(platform, admin, kind, fresh_slug)
    url = f"/v1/admin/{kind}/{made['id']}"
    twice = await platform.client.post(
        f"/v1/admin/{kind}",
        json={"slug": fresh_slug, "name": build.label("x")},
        headers=admin.headers,
    )
    assert (twice.status_code, twice.json()["code"]) == (409, "slug_taken")
    changed = await platform.client.patch(
        url, json={"name": {"fa": "نو", "en": "New"}}, headers=admin.headers
    )
    assert changed.status_code == 200, changed.text
    assert (changed.json()["name"]["en"], changed.json()["slug"]) == ("New", fresh_slug)
    unknown = await platform.client.patch(url, json={"tenant_id": "x"}, headers=admin.headers)
    assert unknown.status_code == 422
    listed = await platform.client.get(f"/v1/{kind}?page_size=100")
    assert fresh_slug in [row["slug"] for row in listed.json()["data"]]
    gone = await platform.client.delete(url, headers=admin.headers)
    assert gone.status_code == 204, gone.text
    assert (await platform.client.delete(url, headers=admin.headers)).status_code == 404
    listed = await platform.client.get(f"/v1/{kind}?page_size=100")
    assert fresh_slug not in [row["slug"] for row in listed.json()["data"]]
    await _add(platform, admin, kind, fresh_slug)


async def test_the_same_key_adds_one_category(
    platform: Platform, admin: Person, fresh_slug: str
) -> None:
    headers = {**admin.headers, "Idempotency-Key": fresh_slug}
    body = {"slug": fresh_slug, "name": build.label("x")}
    answers = [
        await platform.client.post("/v1/admin/categories", json=body, headers=headers)
        for _ in range(2)
    ]
    assert [a.status_code for a in answers] == [201, 201]
    assert answers[0].json() == answers[1].json()


@pytest.mark.parametrize("language", ["fa", "en"])
async def test_a_name_changes_no_words_beside_it(
    platform: Platform, admin: Person, fresh_slug: str, language: str
) -> None:
    name = {**build.label("x"), language: "\u202egnp.exe"}
    body = {"slug": fresh_slug, "name": name}
    answer = await platform.client.post("/v1/admin/categories", json=body, headers=admin.headers)
    assert answer.status_code == 422, answer.text
    (error,) = answer.json()["errors"]
    assert (error["pointer"], error["code"]) == (f"/name/{language}", "bidi_control")


async def test_a_category_never_lies_below_itself(
    platform: Platform, admin: Person, fresh_slug: str
) -> None:
    top = await _add(platform, admin, "categories", f"a-{fresh_slug}")
    below = await _add(platform, admin, "categories", f"b-{fresh_slug}", parent_id=top["id"])
    for parent in (below["id"], top["id"]):
        ring = await platform.client.patch(
            f"/v1/admin/categories/{top['id']}", json={"parent_id": parent}, headers=admin.headers
        )
        assert (ring.status_code, ring.json()["code"]) == (422, "category_cycle")
    nowhere = await platform.client.patch(
        f"/v1/admin/categories/{top['id']}",
        json={"parent_id": str(uuid4())},
        headers=admin.headers,
    )
    assert nowhere.json()["errors"][0]["pointer"] == "/parent_id"
    used = await platform.client.delete(f"/v1/admin/categories/{top['id']}", headers=admin.headers)
    assert (used.status_code, used.json()["code"]) == (409, "category_in_use")
    await platform.client.patch(
        f"/v1/admin/categories/{below['id']}", json={"parent_id": None}, headers=admin.headers
    )
    freed = await platform.client.delete(f"/v1/admin/categories/{top['id']}", headers=admin.headers)
    assert freed.status_code == 204


async def test_a_category_with_templates_stays(
    platform: Platform, admin: Person, install: Any, fresh_slug: str
) -> None:
    made = await _add(platform, admin, "categories", f"c-{fresh_slug}")
    await install(fresh_slug, category=f"c-{fresh_slug}")
    used = await platform.client.delete(f"/v1/admin/categories/{made['id']}", headers=admin.headers)
    assert used.json()["code"] == "category_in_use"


async def test_a_removed_tag_leaves_the_templates(
    platform: Platform, admin: Person, install: Any, fresh_slug: str
) -> None:
    made = await _add(platform, admin, "tags", f"g-{fresh_slug}")
    done = await install(fresh_slug, tags=[f"g-{fresh_slug}"])
    await platform.client.delete(f"/v1/admin/tags/{made['id']}", headers=admin.headers)
    rows = await platform.sql(
        "SELECT tag_ids FROM content.project_containers WHERE id = $1", done.container_id
    )
    assert rows[0]["tag_ids"] == []


async def test_a_neighbours_rows_are_not_there(
    platform: Platform, admin: Person, install: Any, fresh_slug: str
) -> None:
    other_id, _ = await platform.tenant()
    done = await install(fresh_slug, tenant_id=other_id, tags=[f"g-{fresh_slug}"])
    ids = {}
    for kind in ("categories", "tags"):
        rows = await platform.sql(f"SELECT id FROM content.{kind} WHERE tenant_id = $1", other_id)
        if rows:
            ids[kind] = rows[0]["id"]
    assert "tags" in ids
    calls = [("PATCH", f"templates/{done.container_id}"), ("DELETE", f"tags/{ids['tags']}")]
    calls += [("DELETE", f"templates/{done.container_id}")]
    calls += [("POST", f"templates/{done.container_id}/unpublish")]
    calls += [("GET", f"templates/{done.container_id}")]
    for method, path in calls:
        answer = await platform.client.request(
            method,
            f"/v1/admin/{path}",
            json={"name": build.label("mine")} if method == "PATCH" else None,
            headers=admin.headers,
        )
        assert answer.status_code == 404, (method, path, answer.text)
    rows = await platform.sql(
        "SELECT name_en, published_at IS NOT NULL AS live FROM content.project_containers "
        "WHERE id = $1",
        done.container_id,
    )
    assert (rows[0]["name_en"], rows[0]["live"]) == ("tiny", True)


async def test_slugs_are_unique_without_regard_to_case(
    platform: Platform, admin: Person, install: Any, fresh_slug: str
) -> None:
    await install(f"a-{fresh_slug}")
    other = await install(f"b-{fresh_slug}")
    url = f"/v1/admin/templates/{other.container_id}"
    taken = await platform.client.patch(
        url, json={"slug": f"A-{fresh_slug.upper()}"}, headers=admin.headers
    )
    assert (taken.status_code, taken.json()["code"]) == (409, "slug_taken")
    free = await platform.client.patch(
        url, json={"slug": f"B-{fresh_slug.upper()}"}, headers=admin.headers
    )
    assert free.status_code == 200, free.text
    # A package of that slug is the same template, and the hand-written slug stays.
    again = await install(f"b-{fresh_slug}", version="2.0.0")
    assert (again.container_id, again.slug) == (other.container_id, f"B-{fresh_slug.upper()}")


async def test_an_edit_names_what_is_unknown(
    platform: Platform, admin: Person, install: Any, fresh_slug: str
) -> None:
    done = await install(fresh_slug)
    url = f"/v1/admin/templates/{done.container_id}"
    for body, pointer in (
        ({"category_id": str(uuid4())}, "/category_id"),
        ({"tag_ids": [str(uuid4())]}, "/tag_ids"),
    ):
        answer = await platform.client.patch(url, json=body, headers=admin.headers)
        assert answer.status_code == 422, answer.text
        assert answer.json()["errors"][0]["pointer"] == pointer
    scene = (await platform.client.get(f"/v1/templates/{fresh_slug}")).json()["projects"][0][
        "scenes"
    ][0]["id"]
    wrong = await platform.client.patch(
        f"{url}/scenes/{scene}", json={"duration": 99}, headers=admin.headers
    )
    assert wrong.json()["errors"][0]["code"] == "out_of_range"


async def test_a_removed_template_frees_its_slug(
    platform: Platform, admin: Person, install: Any, fresh_slug: str
) -> None:
    first = await install(fresh_slug)
    gone = await platform.client.delete(
        f"/v1/admin/templates/{first.container_id}", headers=admin.headers
    )
    assert gone.status_code == 204, gone.text
    assert (await platform.client.get(f"/v1/templates/{fresh_slug}")).status_code == 404
    told = await platform.sql(
        "SELECT FROM content.outbox WHERE name = 'content.template.unpublished.v1' "
        "AND payload::text LIKE '%' || $1 || '%'",
        str(first.container_id),
    )
    assert len(told) == 1
    again = await install(fresh_slug)
    assert again.outcome == "created"
    assert again.container_id != first.container_id


async def test_a_hidden_font_is_not_offered(
    platform: Platform, admin: Person, install: Any, fresh_slug: str
) -> None:
    from flatrender.fonts import catalogue

    font = next(iter(catalogue()))
    await install(
        fresh_slug,
        files=build.entries() | {"f/One.ttf": font.path.read_bytes()},
        fonts=[{"family": fresh_slug, "style": "Regular", "path": "f/One.ttf"}],
    )
    rows = await platform.sql("SELECT id FROM content.fonts WHERE family = $1", fresh_slug)
    hidden = await platform.client.patch(
        f"/v1/admin/fonts/{rows[0]['id']}", json={"active": False}, headers=admin.headers
    )
    assert hidden.status_code == 200, hidden.text
    listed = await platform.client.get("/v1/fonts?page_size=100")
    assert fresh_slug not in [f["family"] for f in listed.json()["data"]]


async def _without_a_fresh_factor(platform: Platform, staff: Person) -> dict[str, str]:
    """Return headers as they are a while after the second factor was shown."""
    await platform.sql(
        "UPDATE identity.sessions SET mfa_at = now() - interval '17 minutes' WHERE user_id = $1",
        staff.id,
    )
    tokens = await platform.client.post(
        "/v1/auth/refresh", json={"refresh_token": staff.refresh_token}
    )
    return {"Authorization": f"Bearer {tokens.json()['access_token']}"}


async def test_removing_and_sharing_want_a_fresh_factor(
    platform: Platform, admin: Person, install: Any, fresh_slug: str
) -> None:
    made = await install(fresh_slug)
    url = f"/v1/admin/templates/{made.container_id}"
    stale = await _without_a_fresh_factor(platform, admin)
    for method, path, body in (
        ("DELETE", url, None),
        ("PUT", f"{url}/sharing", {"sharing": "none"}),
    ):
        refused = await platform.client.request(method, path, json=body, headers=stale)
        assert (refused.status_code, refused.json()["code"]) == (403, "step_up_required")
    kept = await platform.client.get(url, headers=stale)  # reading and editing go on
    assert kept.status_code == 200
    gone = await platform.client.delete(url, headers=admin.headers)  # a token of then is fresh
    assert gone.status_code == 204


async def test_moderators_keep_the_catalogue_and_customers_do_not(
    platform: Platform, admin: Person, fresh_slug: str
) -> None:
    moderator, customer = await platform.person(role="moderator"), await platform.person()
    body = {"slug": fresh_slug, "name": build.label("x")}
    unarmed = await platform.client.post("/v1/admin/tags", json=body, headers=moderator.headers)
    assert (unarmed.status_code, unarmed.json()["code"]) == (403, "mfa_required")
    refused = await platform.client.post("/v1/admin/tags", json=body, headers=customer.headers)
    assert (refused.status_code, refused.json()["code"]) == (403, "forbidden")
    await platform.sql("UPDATE identity.users SET role = 'moderator' WHERE id = $1", admin.id)
    tokens = await platform.client.post(
        "/v1/auth/refresh", json={"refresh_token": admin.refresh_token}
    )
    armed = {"Authorization": f"Bearer {tokens.json()['access_token']}"}
    made = await platform.client.post("/v1/admin/tags", json=body, headers=armed)
    assert made.status_code == 201, made.text
    assert (await platform.client.get("/v1/admin/templates", headers=armed)).status_code == 200
