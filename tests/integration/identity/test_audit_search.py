"""Words in the audit log: rare ones by their index, frequent ones by walking through the log."""

import json
from typing import Any, cast
from uuid import UUID, uuid4

import pytest

from flatrender.testing.platform import Person, Platform
from flatrender_identity import queries_audit

MANY = queries_audit.MATCHES + 200


class Archive:
    """An administrator of a tenant with a long log."""

    def __init__(self, platform: Platform, tenant_id: UUID, admin: Person) -> None:
        self.platform = platform
        self.tenant_id = tenant_id
        self.admin = admin

    async def targets(self, **query: Any) -> list[str]:
        """Return what the lines on a page are about."""
        answer = await self.platform.client.get(
            "/v1/admin/audit", params=query, headers=self.admin.headers
        )
        assert answer.status_code == 200, answer.text
        return [line["target_id"] for line in answer.json()["data"]]

    async def found(self, q: str, most: int = 10_000, *, tenant: UUID | None = None) -> int:
        """Return how many lines the index of words gives to the context's own role."""
        async with self.platform.connection() as connection, connection.transaction():
            await connection.execute("SET LOCAL ROLE flatrender_identity")
            if tenant is not None:
                await connection.execute(f"SET LOCAL app.tenant_id = '{tenant}'")
            count: int = await connection.fetchval(
                "SELECT count(*) FROM identity.search_audit($1, $2)", q, most
            )
        return count


@pytest.fixture(scope="module")
async def archive(platform: Platform) -> Archive:
    """One of two tenants whose logs have the same words."""
    made = []
    for _ in range(2):
        tenant_id, key = await platform.tenant()
        made.append(Archive(platform, tenant_id, await platform.admin(tenant_key=key)))
        await platform.sql(
            "INSERT INTO identity.audit_log (tenant_id, actor_kind, action, target_type, "
            "target_id, reason, created_at) SELECT $1, 'system', 'shelf.sort', 'thing', n::text, "
            "CASE WHEN n % 400 = 0 THEN 'نگارستان کتاب' ELSE 'کتاب' END, "
            "now() + (n - $2::int) * interval '1 minute' FROM generate_series(1, $2::int) n",
            tenant_id,
            MANY,
        )
    await platform.sql("VACUUM (ANALYZE) identity.audit_log")  # rows that wait for the index
    return made[0]


async def test_rare_and_frequent_words_find_the_same_way(archive: Archive) -> None:
    assert await archive.targets(q="نگارستان") == ["1200", "800", "400"]
    assert await archive.targets(q="كتاب نگار", sort="created_at") == ["400", "800", "1200"]
    assert await archive.targets(q="نگارستان", target_id="800") == ["800"]
    assert await archive.targets(q=f"no-{uuid4().hex}") == []
    assert await archive.targets(q="...") == []
    # More than are looked up by the index, and the latest were written last.
    assert await archive.targets(q="کتاب", page_size=3) == ["1200", "1199", "1198"]
    assert await archive.targets(q="کتاب", target_id="1150") == ["1150"]


async def test_rare_words_are_asked_of_the_index_and_frequent_ones_of_the_log(
    archive: Archive,
) -> None:
    reads = archive.platform.runtime.plugins["identity"].context.db.reads
    rare, ids = await queries_audit._words(reads, archive.tenant_id, "نگارستان")
    assert (rare, len(cast("list[UUID]", ids))) == (queries_audit._AMONG, 3)
    frequent = await queries_audit._words(reads, archive.tenant_id, "کتاب")
    assert frequent == (queries_audit._HAVING, "کتاب")


async def test_pages_of_rare_words_follow_each_other(archive: Archive) -> None:
    seen, cursor = [], None
    for _ in range(3):
        answer = await archive.platform.client.get(
            "/v1/admin/audit",
            params={"q": "نگارستان", "page_size": 1} | ({"cursor": cursor} if cursor else {}),
            headers=archive.admin.headers,
        )
        page = answer.json()
        seen += [line["target_id"] for line in page["data"]]
        cursor = page["meta"]["cursor"]
    assert seen == ["1200", "800", "400"]
    assert cursor is None


async def test_the_index_gives_a_tenant_its_own_and_no_more_than_asked_for(
    archive: Archive,
) -> None:
    assert await archive.found("نگارستان", tenant=archive.tenant_id) == 3
    assert await archive.found("کتاب", 50, tenant=archive.tenant_id) == 50
    assert await archive.found("کتاب", tenant=uuid4()) == 0
    assert await archive.found("کتاب") == 0  # nobody's


def _nodes(plan: dict[str, Any]) -> list[dict[str, Any]]:
    return [plan, *(node for child in plan.get("Plans", ()) for node in _nodes(child))]


async def test_words_are_looked_up_by_an_index(archive: Archive) -> None:
    """The statement inside the function as its owner runs it, and the page around it."""
    inside = (
        "SELECT a.id FROM identity.audit_log a WHERE a.search @@ "
        "public.search_query('نگارستان') AND a.tenant_id = $1 LIMIT 1001"
    )
    around = queries_audit._LIST.format(
        words=queries_audit._AMONG, after="TRUE", order="a.created_at DESC, a.id DESC", limit=21
    )
    unasked: list[object] = [None] * 10
    plans = {}
    async with archive.platform.connection() as connection, connection.transaction():
        await connection.execute("SET LOCAL plan_cache_mode = force_custom_plan")
        await connection.execute("SET LOCAL enable_seqscan = off")  # a log as short as this one
        plans["inside"] = await connection.fetchval(
            f"EXPLAIN (FORMAT json) {inside}", archive.tenant_id
        )
        await connection.execute("SET LOCAL enable_seqscan = on")
        await connection.execute("SET LOCAL ROLE flatrender_identity")
        await connection.execute(f"SET LOCAL app.tenant_id = '{archive.tenant_id}'")
        plans["around"] = await connection.fetchval(
            f"EXPLAIN (FORMAT json) {around}", archive.tenant_id, *unasked, [uuid4(), uuid4()]
        )
    for name, index in (("inside", "audit_log_search"), ("around", "audit_log_pkey")):
        nodes = _nodes(json.loads(plans[name])[0]["Plan"])
        assert index in {node.get("Index Name") for node in nodes}, plans[name]
        read = [n for n in nodes if n["Node Type"] == "Seq Scan"]
        assert not [n for n in read if n["Relation Name"] == "audit_log"], plans[name]
    body = await archive.platform.sql(
        "SELECT prosrc FROM pg_proc WHERE oid = 'identity.search_audit(text, int)'::regprocedure"
    )
    assert "a.search @@ wanted AND a.tenant_id = tenant LIMIT most" in body[0]["prosrc"]
