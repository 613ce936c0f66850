"""The list of a tenant's people: search, filters, orders, pages, the file, and its indexes."""

import csv
import io
import json
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import pytest

from flatrender.testing.platform import Person, Platform
from flatrender_identity.queries_people import ORDER, PeopleFilter, conditions, page_sql

START = datetime(2026, 1, 1, tzinfo=UTC)
MANY = 4_000


class House:
    """A tenant with an administrator and people made by SQL."""

    def __init__(self, platform: Platform, tenant_id: UUID, key: str, admin: Person) -> None:
        self.platform = platform
        self.tenant_id = tenant_id
        self.key = key
        self.admin = admin

    async def add(self, name: str, **columns: Any) -> UUID:
        """Make somebody; ``columns`` are those of the table."""
        values = {
            "id": uuid4(),
            "tenant_id": self.tenant_id,
            "register_mode": "Email",
            "display_name": name,
            **columns,
        }
        places = ", ".join(f"${n}" for n in range(1, len(values) + 1))
        await self.platform.sql(
            f"INSERT INTO identity.users ({', '.join(values)}) VALUES ({places})",
            *values.values(),
        )
        made: UUID = values["id"]
        return made

    async def get(self, path: str = "/v1/users", who: Person | None = None, **query: Any) -> Any:
        """Ask the list."""
        return await self.platform.client.get(
            path, params=query, headers=(who or self.admin).headers
        )

    async def found(self, **query: Any) -> set[str]:
        """Return the names that a query finds, but the administrator's."""
        answer = await self.get(**query)
        assert answer.status_code == 200, answer.text
        return {line["display_name"] for line in answer.json()["data"]} - {"Test Person"}


@pytest.fixture
async def house(platform: Platform) -> House:
    tenant_id, key = await platform.tenant()
    return House(platform, tenant_id, key, await platform.admin(tenant_key=key))


@pytest.fixture(scope="module")
async def crowd(platform: Platform) -> House:
    """A tenant of some thousand people."""
    tenant_id, key = await platform.tenant()
    house = House(platform, tenant_id, key, await platform.admin(tenant_key=key))
    await platform.sql(
        "INSERT INTO identity.users (id, tenant_id, register_mode, email, display_name, status, "
        "created_at, last_login_at) SELECT gen_random_uuid(), $1, 'Email', "
        "'person' || n || '@crowd.example', 'Nobody ' || n, "
        "CASE WHEN n % 200 = 0 THEN 'Banned' ELSE 'Active' END, "
        "$2::timestamptz + n / 3 * interval '1 minute', "
        "CASE WHEN n % 2 = 0 THEN $2::timestamptz + n * interval '1 minute' END "
        "FROM generate_series(1, $3::int) n",
        tenant_id,
        START,
        MANY,
    )
    await platform.sql(
        "INSERT INTO identity.user_crm (tenant_id, user_id, tags) "
        "SELECT tenant_id, id, ARRAY['VIP'] FROM identity.users "
        "WHERE tenant_id = $1 AND display_name LIKE '%77'",
        tenant_id,
    )
    await platform.sql("ANALYZE identity.users, identity.user_crm")
    return house


async def test_search_folds_persian_and_reads_addresses(house: House) -> None:
    await house.add(
        "علي كريمي",  # with Arabic letters
        email="Sara.K@Example.ir",
        mobile="+989121234567",
    )
    await house.add("نرم‌افزار پارس", company="شرکت نمونه", external_id="R-۱۲۳")
    for q in (
        "علی",
        "کریمی",
        "علي كريمي",
        "كريم",
        "sara",
        "sara.k@example.ir",
        "۰۹۱۲۱۲۳",
        "+98912",
    ):
        assert await house.found(q=q) == {"علي كريمي"}, q
    for q in ("نرم افزار", "نرم\u200cافزار", "نرمافزار", "پارس نرم", "نمونه", "123"):
        assert await house.found(q=q) == {"نرم‌افزار پارس"}, q
    assert await house.found(q="علی پارس") == set()
    assert await house.found(q="'); --") == set()
    assert len(await house.found(q="  ")) == 2


async def test_filters(house: House) -> None:
    day = timedelta(days=1)
    first = await house.add("first", created_at=START, email_verified_at=START)
    await house.add("second", created_at=START + day, mobile_verified_at=START, role="moderator")
    await house.add("third", created_at=START + 2 * day, status="Banned")
    await house.add("gone", status="Deleted", deleted_at=START)
    plan = await house.platform.sql("SELECT id FROM identity.plans WHERE code = 'plus' LIMIT 1")
    await house.platform.sql(
        "INSERT INTO identity.user_plans (tenant_id, user_id, plan_id, source) "
        "VALUES ($1, $2, $3, 'Grant')",
        house.tenant_id,
        first,
        plan[0]["id"],
    )
    await house.platform.sql(
        "INSERT INTO identity.user_crm (tenant_id, user_id, tags, pipeline_status) "
        "VALUES ($1, $2, ARRAY['مشتري ويژه', 'x'], 'Customer')",
        house.tenant_id,
        first,
    )
    everyone = {"first", "second", "third"}
    for query, names in (
        ({}, everyone),
        ({"role": "moderator"}, {"second"}),
        ({"status": "Banned"}, {"third"}),
        ({"status": "Active"}, {"first", "second"}),
        ({"verified": "email"}, {"first"}),
        ({"verified": "mobile"}, {"second"}),
        ({"verified": "none"}, {"third"}),
        ({"created_from": (START + day).isoformat()}, {"second", "third"}),
        ({"created_from": START.isoformat(), "created_to": (START + day).isoformat()}, {"first"}),
        ({"plan": "plus"}, {"first"}),
        ({"plan": "free"}, {"second", "third"}),
        ({"plan": "gold"}, set()),
        ({"tag": "مشتری ویژه"}, {"first"}),
        ({"tag": "مشتری"}, set()),
        ({"pipeline_status": "Customer"}, {"first"}),
        ({"pipeline_status": "New"}, {"second", "third"}),
        ({"plan": "plus", "tag": "X", "verified": "email", "q": "first"}, {"first"}),
        ({"plan": "plus", "status": "Banned"}, set()),
    ):
        assert await house.found(**query) == names, query  # type: ignore[arg-type]  # of a table
    line = (await house.get(q="first")).json()["data"][0]
    assert (line["plan_code"], line["pipeline_status"], line["tags"][1]) == (
        "plus",
        "Customer",
        "x",
    )
    for query, pointer in (
        ({"status": "Deleted"}, "?status"),
        ({"sort": "password_hash"}, "?sort"),
        ({"sort": "created_at,display_name"}, "?sort"),
        ({"page_size": 101}, "?page_size"),
        ({"cursor": "AAAA"}, "?cursor"),
        ({"created_from": START.isoformat(), "created_to": START.isoformat()}, "?created_to"),
        ({"created_from": "2026-01-01T00:00:00"}, "?created_from"),
    ):
        refused = await house.get(**query)  # type: ignore[arg-type]  # of a table
        assert (refused.status_code, refused.json()["errors"][0]["pointer"]) == (422, pointer), (
            query
        )
    assert (await house.get(passwords="1")).json()["code"] == "unknown_parameter"


@pytest.mark.parametrize("sort", ["-created_at", "created_at", "display_name", "-last_login_at"])
async def test_pages_hold_everybody_once_and_in_order(crowd: House, sort: str) -> None:
    seen: list[Any] = []
    cursor: dict[str, str] = {}
    while True:
        page = (await crowd.get(sort=sort, page_size=100, q="nobody 1", **cursor)).json()
        seen += page["data"]
        if not page["meta"]["has_more"]:
            break
        cursor = {"cursor": page["meta"]["cursor"]}
    assert len(seen) == len({line["id"] for line in seen}) == 1_111
    key = sort.removeprefix("-")
    values = [line[key] or "" for line in seen]
    assert values == sorted(values, reverse=sort.startswith("-"))
    other = await crowd.get(sort=sort, page_size=100, q="nobody 2", **cursor)
    assert other.json()["code"] == "cursor_invalid"  # of another list


async def test_the_wall_between_tenants_and_who_may_look(house: House) -> None:
    await house.add("mine")
    stranger = await house.platform.admin()
    theirs = await house.get(who=stranger, q="mine")
    assert theirs.json()["data"] == []
    moderator = await house.platform.staff("moderator", tenant_key=house.key)
    customer = await house.platform.person(tenant_key=house.key)
    assert (await house.get(who=moderator, q="mine")).json()["data"][0]["display_name"] == "mine"
    for path, who, code in (
        ("/v1/users", customer, "forbidden"),
        ("/v1/users/export", customer, "forbidden"),
        ("/v1/users/export", moderator, "permission_required"),
    ):
        refused = await house.get(path, who)
        assert (refused.status_code, refused.json()["code"]) == (403, code)
    changed = await house.platform.client.put(
        "/v1/admin/roles/moderator",
        json={"permissions": [], "reason": "nobody looks"},
        headers=house.admin.headers,
    )
    assert changed.status_code == 200
    assert (await house.get(who=moderator)).json()["permission"] == "people.read"


async def test_the_file_is_for_spreadsheets_and_runs_nothing_in_them(house: House) -> None:
    await house.add("=HYPERLINK(1)", company="+x", email="a@example.com")
    await house.add("سارا، «نقل»", company='a "b", c')
    answer = await house.get("/v1/users/export", sort="display_name")
    assert answer.status_code == 200, answer.text
    assert answer.headers["content-type"].startswith("text/csv")
    assert answer.content.startswith(b"\xef\xbb\xbf")
    rows = list(csv.DictReader(io.StringIO(answer.content.decode("utf-8-sig"), newline="")))
    assert [row["display_name"] for row in rows] == ["'=HYPERLINK(1)", "Test Person", "سارا، «نقل»"]
    assert [row["company"] for row in rows] == ["'+x", "", 'a "b", c']
    lines = await house.platform.sql(
        "SELECT action, after FROM identity.audit_log WHERE actor_id = $1", house.admin.id
    )
    assert [line["action"] for line in lines] == ["user.export"]
    only = await house.get("/v1/users/export", q="سارا")
    assert len(only.content.decode().splitlines()) == 2


async def test_the_file_of_many_comes_in_pages_and_whole(crowd: House) -> None:
    answer = await crowd.get("/v1/users/export", sort="-last_login_at")
    rows = list(csv.DictReader(io.StringIO(answer.content.decode("utf-8-sig"), newline="")))
    assert len(rows) == len({row["id"] for row in rows}) == MANY + 1


async def test_taking_the_file_wants_a_fresh_factor(house: House) -> None:
    await house.platform.sql(
        "UPDATE identity.sessions SET mfa_at = now() - interval '1 hour' WHERE user_id = $1",
        house.admin.id,
    )
    renewed = await house.platform.client.post(
        "/v1/auth/refresh", json={"refresh_token": house.admin.refresh_token}
    )
    stale = {"Authorization": f"Bearer {renewed.json()['access_token']}"}
    refused = await house.platform.client.get("/v1/users/export", headers=stale)
    assert (refused.status_code, refused.json()["code"]) == (403, "step_up_required")
    assert (await house.platform.client.get("/v1/users", headers=stale)).status_code == 200


def _nodes(plan: dict[str, Any]) -> list[dict[str, Any]]:
    return [plan, *(node for child in plan.get("Plans", ()) for node in _nodes(child))]


async def _explain(house: House, sql: str, *args: Any, role: str = "flatrender_identity") -> Any:
    async with house.platform.connection() as connection, connection.transaction():
        await connection.execute(f"SET LOCAL ROLE {role}")
        await connection.execute(f"SET LOCAL app.tenant_id = '{house.tenant_id}'")
        await connection.execute("SET LOCAL plan_cache_mode = force_custom_plan")
        plan = await connection.fetchval(f"EXPLAIN (FORMAT json) {sql}", *args)
    return _nodes(json.loads(plan)[0]["Plan"])


@pytest.mark.parametrize(
    ("wanted", "sort", "index"),
    [
        (PeopleFilter(), None, "users_newest"),
        (PeopleFilter(verified="none"), "created_at", "users_newest"),
        (PeopleFilter(), "display_name", "users_by_name"),
        (PeopleFilter(), "-last_login_at", "users_by_login"),
        (PeopleFilter(status="Banned"), None, "users_barred"),
        (PeopleFilter(q="person77"), None, "users_pkey"),
        (PeopleFilter(tag="vip"), None, "users_pkey"),
    ],
    ids=lambda value: str(value)[:40],
)
async def test_a_page_of_many_is_read_by_an_index(
    crowd: House, wanted: PeopleFilter, sort: str | None, index: str
) -> None:
    sql, values = conditions(wanted, first=3)
    order = ORDER.parse(sort)
    plan = await _explain(crowd, page_sql(sql, order, "TRUE"), crowd.tenant_id, 21, *values)
    used = {node.get("Index Name") for node in plan}
    assert index in used or (index == "users_pkey" and "users_tenant_id_id_key" in used), plan
    read = [n for n in plan if n["Node Type"] == "Seq Scan" and n["Relation Name"] == "users"]
    assert read == []


async def test_the_functions_behind_search_use_their_index(crowd: House) -> None:
    """The statements inside them, asked as their owner."""
    words = "u.display_name, u.first_name, u.last_name, u.company, u.email, u.mobile, u.external_id"
    for sql, index in (
        (
            f"SELECT u.id FROM identity.users u WHERE identity.person_document({words}) "
            "@@ public.search_query('person77') AND u.tenant_id = $1 AND u.deleted_at IS NULL",
            "users_search",
        ),
        (
            "SELECT c.user_id FROM identity.user_crm c WHERE identity.tag_keys(c.tags) @> "
            "ARRAY[public.fold_text('no such')] AND c.tags <> '{}' AND c.tenant_id = $1",
            "user_crm_tags",
        ),
    ):
        async with crowd.platform.connection() as connection, connection.transaction():
            await connection.execute("SET LOCAL enable_seqscan = off")
            plan = await connection.fetchval(f"EXPLAIN (FORMAT json) {sql}", crowd.tenant_id)
        used = {node.get("Index Name") for node in _nodes(json.loads(plan)[0]["Plan"])}
        assert index in used
    body = await crowd.platform.sql(
        "SELECT prosrc FROM pg_proc WHERE oid = 'identity.search_users(text)'::regprocedure"
    )
    assert f"identity.person_document({words}) @@ wanted" in body[0]["prosrc"]
