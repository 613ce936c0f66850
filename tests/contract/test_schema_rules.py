"""What the schema itself promises: sharing, plumbing, search, partitions, constraints."""

import asyncio
from datetime import UTC, datetime
from typing import Any
from uuid import UUID, uuid4

import asyncpg
import pytest

from flatrender.db.migrations import migrations_directory

DEFAULT = UUID("00000000-0000-0000-0000-000000000001")
SHA = "0" * 64


async def add_template(
    superuser: Any,
    *,
    tenant: UUID = DEFAULT,
    sharing: str | None = None,
    published: bool = True,
    name_fa: str = "قالب",
    name_en: str = "Template",
) -> UUID:
    """Insert a template with one project and one scene and slot; returns the container's id."""
    container, project, scene = uuid4(), uuid4(), uuid4()
    await superuser.execute(
        "INSERT INTO content.project_containers (id, tenant_id, slug, name_fa, name_en, mode, "
        "sharing, published_at, package_sha256, keywords) "
        "VALUES ($1, $2, $3, $4, $5, 'Fix', $6, $7, $8, '{}')",
        container,
        tenant,
        f"t-{container.hex}",
        name_fa,
        name_en,
        sharing,
        datetime.now(UTC) if published else None,
        SHA,
    )
    await superuser.execute(
        "INSERT INTO content.projects "
        "(id, tenant_id, container_id, aspect, width, height, duration) "
        "VALUES ($1, $2, $3, '9:16', 1080, 1920, 5)",
        project,
        tenant,
        container,
    )
    await superuser.execute(
        "INSERT INTO content.scenes (id, tenant_id, container_id, project_id, key, name_fa, "
        "name_en, animation, duration, min_duration, max_duration) "
        "VALUES ($1, $2, $3, $4, 'intro', 'ش', 'I', 'intro', 5, 5, 5)",
        scene,
        tenant,
        container,
        project,
    )
    await superuser.execute(
        "INSERT INTO content.scene_contents (tenant_id, container_id, project_id, scene_id, key, "
        "type, name_fa, name_en) VALUES ($1, $2, $3, $4, 'title', 'text', 'ع', 'Title')",
        tenant,
        container,
        project,
        scene,
    )
    return container


async def sees(connection: Any, container: UUID) -> tuple[int, int, int, int]:
    """Return how many rows of the template and of its children a connection sees."""
    row = await connection.fetchrow(
        "SELECT (SELECT count(*) FROM project_containers WHERE id = $1), "
        "(SELECT count(*) FROM projects WHERE container_id = $1), "
        "(SELECT count(*) FROM scenes WHERE container_id = $1), "
        "(SELECT count(*) FROM scene_contents WHERE container_id = $1)",
        container,
    )
    return tuple(row)


async def test_templates_of_the_default_tenant_are_seen_where_they_are_shared(
    superuser: Any, connect_as: Any
) -> None:
    chosen, stranger = uuid4(), uuid4()
    shared = await add_template(superuser)  # left out: all
    picked = await add_template(superuser, sharing="chosen")
    kept = await add_template(superuser, sharing="none")
    draft = await add_template(superuser, published=False)
    await superuser.execute(
        "INSERT INTO content.container_shares (tenant_id, container_id, shared_with) "
        "VALUES ($1, $2, $3)",
        DEFAULT,
        picked,
        chosen,
    )
    whole, nothing = (1, 1, 1, 1), (0, 0, 0, 0)
    for tenant, expected in (
        (DEFAULT, (whole, whole, whole, whole)),
        (chosen, (whole, whole, nothing, nothing)),
        (stranger, (whole, nothing, nothing, nothing)),
    ):
        connection = await connect_as("flatrender_content", tenant)
        found = tuple([await sees(connection, t) for t in (shared, picked, kept, draft)])
        assert found == expected, tenant
    reader = await connect_as("flatrender_content", stranger)
    for table in ("project_containers", "projects", "scenes", "scene_contents"):
        key = "id" if table == "project_containers" else "container_id"
        for act in (f"UPDATE {table} SET position = 9", f"DELETE FROM {table}"):
            assert (await reader.execute(f"{act} WHERE {key} = $1", shared)).endswith(" 0")


async def test_a_tenant_cannot_push_templates_into_the_catalogue_of_others(
    superuser: Any, connect_as: Any
) -> None:
    tenant = uuid4()
    own = await add_template(superuser, tenant=tenant)  # left out: none
    connection = await connect_as("flatrender_content", tenant)
    for sharing in ("all", "chosen"):
        with pytest.raises(asyncpg.CheckViolationError, match="project_containers_sharing"):
            await connection.execute(
                "UPDATE project_containers SET sharing = $1 WHERE id = $2", sharing, own
            )
    assert await sees(await connect_as("flatrender_content", uuid4()), own) == (0, 0, 0, 0)
    with pytest.raises(asyncpg.InsufficientPrivilegeError, match="row-level security"):
        await connection.execute(
            "INSERT INTO container_shares (tenant_id, container_id, shared_with) VALUES ($1,$2,$3)",
            DEFAULT,
            own,
            uuid4(),
        )
    victim = await add_template(superuser, sharing="none")
    with pytest.raises(asyncpg.ForeignKeyViolationError):  # nor hang a scene on another's template
        await connection.execute(
            "INSERT INTO color_presets (tenant_id, container_id, key, name_fa, name_en, colors) "
            "VALUES ($1, $2, 'k', 'x', 'x', '{}')",
            tenant,
            victim,
        )


async def test_tags_and_aspects_follow_by_trigger(superuser: Any) -> None:
    tags = [uuid4(), uuid4()]
    for tag in tags:
        await superuser.execute(
            "INSERT INTO content.tags (id, tenant_id, slug, name_fa, name_en) "
            "VALUES ($1, $2, $3, 'x', 'x')",
            tag,
            DEFAULT,
            f"g-{tag.hex}",
        )
    container = await add_template(superuser)

    async def state() -> tuple[list[str], set[UUID]]:
        aspects = await superuser.fetchval(
            "SELECT aspects FROM content.project_containers WHERE id = $1", container
        )
        rows = await superuser.fetch(
            "SELECT tag_id FROM content.container_tags WHERE container_id = $1", container
        )
        return aspects, {row[0] for row in rows}

    set_tags = "UPDATE content.project_containers SET tag_ids = $2 WHERE id = $1"
    assert await state() == (["9:16"], set())
    await superuser.execute(set_tags, container, tags)
    assert await state() == (["9:16"], set(tags))
    await superuser.execute(set_tags, container, tags[:1])
    await superuser.execute(
        "UPDATE content.projects SET deleted_at = now() WHERE container_id = $1", container
    )
    assert await state() == ([], {tags[0]})
    await superuser.execute("DELETE FROM content.project_containers WHERE id = $1", container)
    left = await superuser.fetchval(
        "SELECT (SELECT count(*) FROM content.projects WHERE container_id = $1) "
        "+ (SELECT count(*) FROM content.scenes WHERE container_id = $1) "
        "+ (SELECT count(*) FROM content.container_tags WHERE container_id = $1)",
        container,
    )
    assert left == 0


@pytest.mark.parametrize(
    ("text", "folded"),
    [
        ("كتاب", "کتاب"),
        ("علي عليٰ", "علی علی"),
        ("أحمد إيمان آب ٱلف", "احمد ایمان اب الف"),
        ("مسؤول رئیس خانهٔ جزء", "مسوول رییس خانه جز"),
        ("فاطمة", "فاطمه"),
        ("می‌خواهم", "می خواهم"),
        ("۱۲۳٤٥٦", "123456"),
        ("مُدَرِّس", "مدرس"),
        ("مـــوج", "موج"),
        ("ﻛﺘﺎﺏ", "کتاب"),
        ("Café ÉCLAIR ﬁn", "cafe eclair fin"),
        ("\u202bسلام\u202c \u200f(test)\ufeff", "سلام (test)"),
        ("  a \t\n b  ", "a b"),
        ("", ""),
    ],
)
async def test_text_is_folded(superuser: Any, text: str, folded: str) -> None:
    once = await superuser.fetchval("SELECT public.fold_text($1)", text)
    assert once == folded
    assert await superuser.fetchval("SELECT public.fold_text($1)", once) == folded


@pytest.mark.parametrize(
    ("document", "query", "found"),
    [
        ("كتابخانه‌ی زیبا", "کتابخانه", True),
        ("کتاب‌خانه", "کتابخانه", True),
        ("کتابخانه", "كتاب‌خانه", True),
        ("کتاب‌خانه", "خانه", True),
        ("معرفی لوگو ۲۰۲۶", "لوگو 2026", True),
        ("Logo-reveal (v2.1)", "reveal v2", True),
        ("Logo reveal", "log rev", True),
        ("Logo reveal", "logo promo", False),
        ("لوگو", "گو", False),
        ("anything", "", False),
        ("anything", "!!! & | \\ ' :*", False),
        ("o'neil & sons", "o'neil' & (sons", True),
        ("p-70e5f4723700c733@example.com", "p-70e5f4723700c733@example.com", True),
        ("1e5abc", "1e5ab", True),
        ("تولد 🎉", "🎉", True),
        ("word" * 100, "word" * 100, True),
        ("㌖" * 200, "㌖" * 200, True),  # each unfolds to six characters of three bytes
    ],
)
async def test_search_finds_words_however_they_are_typed(
    superuser: Any, document: str, query: str, found: bool
) -> None:
    hit = await superuser.fetchval(
        "SELECT coalesce(public.search_document($1) @@ public.search_query($2), false)",
        document,
        query,
    )
    assert hit is found


async def test_a_long_text_of_few_words_fits(superuser: Any) -> None:
    """Words are measured once, however often they stand."""
    text = "word " * 300_000
    lexemes = await superuser.fetchval("SELECT length(public.search_document($1))", text)
    assert lexemes == 1


async def test_what_was_indexed_in_the_old_way_is_found_after_the_migration(
    new_database: Any, run_migrations: Any
) -> None:
    database = await new_database()
    await run_migrations(database)
    connection = await asyncpg.connect(database.dsn())
    try:
        await connection.execute(
            "CREATE OR REPLACE FUNCTION public.search_document(variadic parts text[]) "
            "RETURNS tsvector LANGUAGE sql IMMUTABLE PARALLEL SAFE AS "
            "$$ SELECT to_tsvector('pg_catalog.simple', array_to_string(parts, ' ')) $$"
        )
        word = "70e5f4723700c733"
        template = await add_template(connection, name_en=word)
        person = await connection.fetchval(
            "INSERT INTO identity.users (tenant_id, email, display_name, register_mode) "
            "VALUES ($1, $2, 'x', 'Email') "
            "RETURNING id",
            DEFAULT,
            f"{word}@example.com",
        )
        await connection.execute("SELECT set_config('app.tenant_id', $1, false)", str(DEFAULT))
        found = (
            "SELECT id FROM content.search_containers($1) "
            "UNION ALL SELECT id FROM identity.search_users($1) AS id"
        )
        assert await connection.fetch(found, word) == []
        (again,) = migrations_directory().glob("38_*.sql")
        await connection.execute(again.read_text())
        assert {row[0] for row in await connection.fetch(found, word)} == {template, person}
    finally:
        await connection.close()


async def test_search_gives_only_what_the_tenant_may_see(superuser: Any, connect_as: Any) -> None:
    tenant, word = uuid4(), f"w{uuid4().hex}"
    own = await add_template(superuser, tenant=tenant, name_en=word, published=False)
    shared = await add_template(superuser, name_fa=f"{word} فارسی")
    await add_template(superuser, name_en=word, sharing="none")
    await add_template(superuser, name_en=word, published=False)
    await add_template(superuser, tenant=uuid4(), name_en=word)
    search = "SELECT id FROM content.search_containers($1)"
    connection = await connect_as("flatrender_content", tenant)
    assert {r[0] for r in await connection.fetch(search, word[:12])} == {own, shared}
    nobody = await connect_as("flatrender_content")
    assert await nobody.fetch(search, word) == []


async def test_the_outbox_wakes_the_relay_and_keeps_tenants_apart(
    superuser: Any, connect_as: Any
) -> None:
    tenant = uuid4()
    heard: asyncio.Queue[str] = asyncio.Queue()
    await superuser.add_listener("flatrender_outbox", lambda *a: heard.put_nowait(a[3]))
    connection = await connect_as("flatrender_files", tenant)
    add = (
        "INSERT INTO outbox (event_id, kind, name, tenant_id, payload) "
        "VALUES ($1, 'event', 'file.uploaded.v1', $2, '{}')"
    )
    await connection.execute(add, uuid4(), tenant)
    assert await asyncio.wait_for(heard.get(), 5) == "file_mgr"
    await connection.execute(add, uuid4(), None)  # an event of no tenant
    with pytest.raises(asyncpg.InsufficientPrivilegeError, match="row-level security"):
        await connection.execute(add, uuid4(), uuid4())
    for forbidden in (
        "SELECT id FROM outbox", "UPDATE outbox SET attempts = 1", "DELETE FROM outbox",
        "SELECT id FROM dead_letters",
    ):  # fmt: skip
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            await connection.execute(forbidden)
    system = await connect_as("flatrender_files_system")
    mine = await system.fetchval("SELECT count(*) FROM outbox WHERE tenant_id = $1", tenant)
    assert mine == 1
    await superuser.execute("DELETE FROM file_mgr.outbox WHERE tenant_id IS NULL")


async def test_partitions_reach_from_the_first_month_to_ahead_of_now(superuser: Any) -> None:
    registered = await superuser.fetch("SELECT table_name FROM public.partitioned_tables")
    assert {r[0] for r in registered} == {
        "identity.tenant_api_request_logs",
        "render.node_health_logs",
    }
    for (table,) in registered:
        rows = await superuser.fetch(
            "SELECT c.relname, pg_get_expr(c.relpartbound, c.oid), c.relacl IS NULL OR NOT EXISTS ("
            " SELECT FROM aclexplode(c.relacl) a WHERE a.grantee <> c.relowner), "
            "c.relrowsecurity AND c.relforcerowsecurity "
            "FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid "
            "WHERE i.inhparent = $1::text::regclass ORDER BY c.relname",
            table,
        )
        names = [row[0].rsplit("_", 1)[1] for row in rows]
        now = datetime.now(UTC)
        months = (now.year - 2026) * 12 + now.month + 3
        assert names == [f"y{2026 + m // 12}m{m % 12 + 1:02}" for m in range(months)]
        assert all("DEFAULT" not in row[1] for row in rows)
        assert all(row[2] for row in rows), "a partition has grants"
        assert all(row[3] for row in rows)


async def test_partitions_are_made_once_by_many_and_dropped_by_whole_months(
    new_database: Any, run_migrations: Any
) -> None:
    database = await new_database()
    await run_migrations(database)
    system = await asyncpg.create_pool(
        database.dsn("flatrender_render_system"), min_size=1, max_size=4
    )
    owner = await asyncpg.connect(database.dsn())
    try:
        # Whatever the operator grants by default, partitions stay out of reach.
        await owner.execute(
            "ALTER DEFAULT PRIVILEGES IN SCHEMA render GRANT SELECT ON TABLES "
            "TO flatrender_render_system, PUBLIC"
        )
        made = await asyncio.gather(
            *(system.fetchval("SELECT public.ensure_partitions(14)") for _ in range(8))
        )
        assert sorted(made)[:-1] == [0] * 7
        assert max(made) == 2 * 11
        for wrong in (-1, 1000, None):
            with pytest.raises(asyncpg.PostgresError, match="months_ahead"):
                await system.fetchval("SELECT public.ensure_partitions($1)", wrong)

        add = (
            "INSERT INTO render.node_health_logs (node_id, recorded_at, status) "
            "VALUES (gen_random_uuid(), $1, 'Idle')"
        )
        await system.execute(add, datetime(2026, 1, 1, tzinfo=UTC))
        with pytest.raises(asyncpg.CheckViolationError, match="no partition"):
            await system.execute(add, datetime(2025, 12, 31, 23, 59, 59, tzinfo=UTC))
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            await system.execute("SELECT FROM render.node_health_logs_y2026m01")
        latest = await owner.fetchval(
            "SELECT max(inhrelid::regclass::text) FROM pg_inherits "
            "WHERE inhparent = 'render.node_health_logs'::regclass"
        )
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            await system.execute(f"SELECT FROM {latest}")

        now = datetime.now(UTC)
        age = (now.year - 2026) * 12 + now.month - 1  # months since January 2026
        await owner.execute("UPDATE public.partitioned_tables SET retention_months = 1")
        dropped = await system.fetchval("SELECT public.drop_expired_partitions()")
        assert dropped == 2 * max(age - 1, 0)
        assert await system.fetchval("SELECT public.drop_expired_partitions()") == 0
        assert await system.fetchval("SELECT public.ensure_partitions(14)") == 0
        await system.execute(add, now)
        request = await asyncpg.connect(database.dsn("flatrender_render"))
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            await request.execute("SELECT public.drop_expired_partitions()")
        await request.close()
    finally:
        await system.close()
        await owner.close()


async def test_email_is_unique_per_tenant_whatever_its_case(superuser: Any) -> None:
    tenants = [uuid4(), uuid4()]
    for tenant in tenants:
        await superuser.execute(
            "INSERT INTO identity.tenants (id, kind, slug, name_fa, name_en, publishable_key) "
            "VALUES ($1, 'Reseller', $2, 'x', 'x', $2)",
            tenant,
            f"t{tenant.hex}",
        )
    add = "INSERT INTO identity.users (tenant_id, register_mode, email) VALUES ($1, 'Email', $2)"
    await superuser.execute(add, tenants[0], "Sara@Example.com")
    with pytest.raises(asyncpg.UniqueViolationError):
        await superuser.execute(add, tenants[0], "sara@example.com")
    await superuser.execute(add, tenants[1], "sara@example.com")
    await superuser.execute(
        "UPDATE identity.users SET deleted_at = now() WHERE tenant_id = $1", tenants[0]
    )
    await superuser.execute(add, tenants[0], "sara@example.com")


async def test_a_deleted_scene_holds_its_key_so_that_an_import_revives_it(superuser: Any) -> None:
    container = await add_template(superuser)
    await superuser.execute(
        "UPDATE content.scenes SET deleted_at = now() WHERE container_id = $1", container
    )
    again = (
        "INSERT INTO content.scenes (tenant_id, container_id, project_id, key, name_fa, name_en, "
        "animation, duration, min_duration, max_duration) "
        "SELECT tenant_id, container_id, project_id, key, name_fa, name_en, animation, 5, 5, 5 "
        "FROM content.scenes WHERE container_id = $1 LIMIT 1"
    )
    with pytest.raises(asyncpg.UniqueViolationError):
        await superuser.execute(again, container)
    revive = f"{again} ON CONFLICT (project_id, key) DO UPDATE SET deleted_at = NULL"
    assert await superuser.execute(revive, container) == "INSERT 0 1"
    live = await superuser.fetchval(
        "SELECT count(*) FROM content.scenes WHERE container_id = $1 AND deleted_at IS NULL",
        container,
    )
    assert live == 1


async def test_a_fresh_database_sells_the_plans_that_the_journey_needs(superuser: Any) -> None:
    plans = {
        row["code"]: row
        for row in await superuser.fetch(
            "SELECT * FROM identity.plans WHERE tenant_id = $1", DEFAULT
        )
    }
    assert plans["free"]["max_resolution"] == "360p"
    assert plans["free"]["watermark"]
    assert not plans["plus"]["watermark"]
    assert "1080p" in plans["plus"]["resolutions"]
    assert plans["pro"]["max_resolution"] == "4K"
    prices = await superuser.fetch(
        "SELECT resolution, charge_per_second_minor FROM identity.render_prices "
        "WHERE tenant_id = $1 ORDER BY 2",
        DEFAULT,
    )
    assert [row[0] for row in prices] == ["360p", "540p", "720p", "1080p", "4K"]
    assert prices[0][1] == 0
