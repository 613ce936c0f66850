"""What customers see: search, filters, pages, sharing between tenants."""

from typing import Any
from uuid import UUID, uuid4

import pytest

from flatrender.testing import packages as build
from flatrender.testing.platform import Person, Platform
from flatrender_content.services.library import LibraryService


async def _slugs(
    platform: Platform, headers: dict[str, str] | None = None, **query: str
) -> list[str]:
    answer = await platform.client.get(
        "/v1/templates", params={"page_size": "100", **query}, headers=headers or {}
    )
    assert answer.status_code == 200, answer.text
    return [item["slug"] for item in answer.json()["data"]]


@pytest.mark.parametrize(
    ("written", "typed"),
    [
        ("نمایش کتابخانه‌ی {}", "نمایش كتابخانه {}"),  # Arabic kaf, no ZWNJ
        ("یادگاری {}", "يادگارى {}"),  # Arabic yeh and alef maksura
        ("می‌رویم {}", "میرویم {}"),  # joined
        ("می‌رویم {}", "می رویم {}"),  # apart
        ("میرویم {}", "می‌رویم {}"),
        ("سال ۱۴۰۵ {}", "1405 {}"),
        ("year 1405 {}", "۱۴۰۵ {}"),
        ("year 1405 {}", "١٤٠٥ {}"),  # Arabic digits
        ("Grand OPENING {}", "grand open {}"),  # prefixes, case
    ],
)
async def test_search_folds_what_people_type(
    platform: Platform, install: Any, fresh_slug: str, written: str, typed: str
) -> None:
    unique = "z" + fresh_slug.removeprefix("t-")
    await install(fresh_slug, name={"fa": written.format(unique), "en": "x"})
    assert await _slugs(platform, q=typed.format(unique)) == [fresh_slug]
    assert await _slugs(platform, q=f"{unique} نیست") == []


async def test_search_never_fails_on_odd_text(platform: Platform) -> None:
    for odd in ("'", "!!", "a & | b", "\\", "\u200c", ":*", "%", "<->"):
        assert isinstance(await _slugs(platform, q=odd), list)


async def test_filters_narrow_and_combine(
    platform: Platform, admin: Person, install: Any, fresh_slug: str
) -> None:
    inner, outer = f"in-{fresh_slug}", f"out-{fresh_slug}"
    made = await platform.client.post(
        "/v1/admin/categories",
        json={"slug": outer, "name": build.label("outer")},
        headers=admin.headers,
    )
    assert made.status_code == 201, made.text
    child = await platform.client.post(
        "/v1/admin/categories",
        json={"slug": inner, "name": build.label("inner"), "parent_id": made.json()["id"]},
        headers=admin.headers,
    )
    assert child.status_code == 201, child.text
    tall = build.variant(aspect="9:16", width=180, height=320)
    a, b = f"a-{fresh_slug}", f"b-{fresh_slug}"
    tag = f"tag-{fresh_slug}"
    await install(a, category=inner, tags=[tag], variants=[tall])
    await install(b, category=outer, mode="Fix", variants=[build.variant(), tall])
    assert await _slugs(platform, category=outer) == [b, a]
    assert await _slugs(platform, category=inner) == [a]
    assert await _slugs(platform, category=outer, aspect="16:9") == [b]
    assert await _slugs(platform, category=outer, mode="Flexible") == [a]
    assert await _slugs(platform, tag=tag) == [a]
    assert await _slugs(platform, tag=tag, mode="Fix") == []
    assert await _slugs(platform, category="nothing-here") == []
    wrong = await platform.client.get("/v1/templates?aspect=4:3")
    assert wrong.status_code == 422


async def test_sorts_and_pages(platform: Platform, install: Any, fresh_slug: str) -> None:
    slugs = [f"{letter}-{fresh_slug}" for letter in "abc"]
    for slug, name in zip(slugs, "ccc", strict=True):
        await install(slug, category=f"p-{fresh_slug}", name={"fa": f"{name}{slug}", "en": "x"})
    await platform.sql(
        "UPDATE content.project_containers SET render_count = 5 WHERE slug = $1", slugs[1]
    )
    group = f"p-{fresh_slug}"
    assert await _slugs(platform, category=group) == slugs[::-1]
    assert await _slugs(platform, sort="name", category=group) == slugs
    assert (await _slugs(platform, sort="popular", category=group))[0] == slugs[1]
    pages = []
    for number in (1, 2, 3, 4):
        answer = await platform.client.get(
            "/v1/templates",
            params={"category": group, "sort": "name", "page": number, "page_size": 1},
        )
        assert answer.json()["meta"]["total"] == 3
        pages.append([item["slug"] for item in answer.json()["data"]])
    assert pages == [[slugs[0]], [slugs[1]], [slugs[2]], []]


@pytest.mark.parametrize("route", ["templates", "categories", "tags", "fonts", "music"])
async def test_every_list_pages(platform: Platform, route: str) -> None:
    answer = await platform.client.get(f"/v1/{route}?page=1&page_size=1")
    assert answer.status_code == 200, answer.text
    assert len(answer.json()["data"]) <= 1
    assert answer.json()["meta"].keys() == {"page", "page_size", "total", "total_pages"}
    assert (await platform.client.get(f"/v1/{route}?page_size=101")).status_code == 422


@pytest.mark.parametrize("route", ["templates", "categories", "tags", "fonts"])
async def test_every_admin_list_pages_and_is_guarded(
    platform: Platform, admin: Person, route: str
) -> None:
    answer = await platform.client.get(f"/v1/admin/{route}?page_size=1", headers=admin.headers)
    assert answer.status_code == 200, answer.text
    assert len(answer.json()["data"]) <= 1
    user = await platform.person()
    refused = await platform.client.get(f"/v1/admin/{route}", headers=user.headers)
    assert refused.status_code == 403


async def test_a_tenant_sees_its_own_and_what_is_shared(
    platform: Platform, admin: Person, install: Any, fresh_slug: str
) -> None:
    other_id, other_key = await platform.tenant()
    _, third_key = await platform.tenant()
    other = {"X-Tenant-Key": other_key}
    third = {"X-Tenant-Key": third_key}
    shared = await install(f"shared-{fresh_slug}", category=f"c-{fresh_slug}")
    own = await install(f"own-{fresh_slug}", tenant_id=other_id)
    draft = await install(f"draft-{fresh_slug}", tenant_id=other_id, publish=False)

    async def sees(headers: dict[str, str]) -> set[str]:
        seen = set()
        for made in (shared, own, draft):
            answer = await platform.client.get(
                f"/v1/templates/{made.container_id}", headers=headers
            )
            if answer.status_code == 200:
                seen.add(made.slug.partition("-")[0])
                assert made.slug in await _slugs(
                    platform, headers, q=made.slug, category=answer.json()["category"]["slug"]
                ) + await _slugs(platform, headers)
        return seen

    assert await sees({}) == {"shared"}
    assert await sees(other) == {"shared", "own"}
    assert await sees(third) == {"shared"}
    base = f"/v1/admin/templates/{shared.container_id}/sharing"
    chosen = await platform.client.put(
        base,
        json={"sharing": "chosen", "tenant_ids": [str(other_id)]},
        headers=admin.headers,
    )
    assert chosen.status_code == 200, chosen.text
    assert chosen.json()["shared_with"] == [str(other_id)]
    assert await sees(other) == {"shared", "own"}
    assert await sees(third) == set()
    assert await sees({}) == {"shared"}
    await platform.client.put(base, json={"sharing": "none"}, headers=admin.headers)
    assert await sees(other) == {"own"}

    missing = await platform.client.get(f"/v1/templates/{uuid4()}", headers=third)
    foreign = await platform.client.get(f"/v1/templates/{own.container_id}", headers=third)
    a, b = missing.json(), foreign.json()
    a.pop("request_id"), b.pop("request_id")
    assert (missing.status_code, a) == (foreign.status_code, b) == (404, a)


async def test_own_templates_come_before_shared_ones_of_the_same_slug(
    platform: Platform, install: Any, fresh_slug: str
) -> None:
    other_id, key = await platform.tenant()
    shared = await install(fresh_slug)
    own = await install(fresh_slug, tenant_id=other_id)
    here = await platform.client.get(f"/v1/templates/{fresh_slug}", headers={"X-Tenant-Key": key})
    there = await platform.client.get(f"/v1/templates/{fresh_slug.upper()}")
    assert here.json()["id"] == str(own.container_id)
    assert there.json()["id"] == str(shared.container_id)


async def test_the_graph_for_neighbours_keeps_to_the_tenant(
    platform: Platform, install: Any, fresh_slug: str
) -> None:
    other_id, _ = await platform.tenant()
    third_id, _ = await platform.tenant()
    made = await install(fresh_slug, tenant_id=other_id)
    project = (
        await platform.sql(
            "SELECT id FROM content.projects WHERE container_id = $1", made.container_id
        )
    )[0]["id"]
    library = platform.runtime.plugins["content"].context.get(LibraryService)
    graph = await library.graph(other_id, project)
    assert graph is not None
    assert (graph.slug, graph.aspect, graph.fps) == (fresh_slug, "16:9", 30)
    assert [(s.key, [slot.id for slot in s.slots]) for s in graph.scenes] == [("intro", ["box"])]
    assert graph.colors[0].key == "primary"
    assert graph.presets[0].colors == {"primary": "#003366"}
    assert graph.package_object_key == f"packages/{graph.package_sha256}.lottie"
    stored = await platform.runtime.infra.storage.stat(graph.package_object_key)
    assert stored.size > 0
    assert await library.graph(third_id, project) is None
    assert await library.graph(other_id, uuid4()) is None
    await platform.sql(
        "UPDATE content.project_containers SET published_at = NULL WHERE id = $1",
        made.container_id,
    )
    assert await library.graph(other_id, project) is None


async def test_music_of_a_tenant_is_its_own(
    platform: Platform, install: Any, fresh_slug: str
) -> None:
    other_id, key = await platform.tenant()
    files = build.entries() | {"u/song.wav": build.silence(0.7)}
    await install(
        fresh_slug,
        tenant_id=other_id,
        files=files,
        music=[{"key": "song", "title": build.label(fresh_slug), "path": "u/song.wav"}],
    )
    mine = await platform.client.get(
        "/v1/music", params={"q": fresh_slug}, headers={"X-Tenant-Key": key}
    )
    track = mine.json()["data"][0]
    theirs = await platform.client.get("/v1/music", params={"q": fresh_slug})
    assert theirs.json()["data"] == []
    assert (await platform.client.get(f"/v1/music/{track['id']}/audio")).status_code == 404
    library = platform.runtime.plugins["content"].context.get(LibraryService)
    assert await library.music(other_id, UUID(track["id"])) is not None
    assert await library.music(uuid4(), UUID(track["id"])) is None


async def test_a_template_that_is_picked_becomes_more_popular(
    platform: Platform, install: Any, fresh_slug: str
) -> None:
    made = await install(fresh_slug)
    person = await platform.person()
    detail = (await platform.client.get(f"/v1/templates/{fresh_slug}")).json()
    saved = await platform.client.post(
        "/v1/saved-projects",
        json={"project_id": detail["projects"][0]["id"], "name": "x"},
        headers=person.headers,
    )
    assert saved.status_code == 201, saved.text

    async def counted() -> bool:
        rows = await platform.sql(
            "SELECT use_count FROM content.project_containers WHERE id = $1", made.container_id
        )
        return bool(rows[0]["use_count"] == 1)

    assert await platform.until(counted)
