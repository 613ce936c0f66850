"""Hot look-ups find their index under row-level security.

A condition whose operator is not leakproof (lower(), LIKE, text search) may not run before the
policy, so its index is not used and a look-up reads the whole tenant. The planner is asked, with
sequential scans priced out: what it cannot use then, it can never use.
"""

import json
from typing import Any

import pytest

T = "'00000000-0000-0000-0000-000000000001'"
U = "'00000000-0000-0000-0000-0000000000aa'"
NEWEST = "published_at IS NOT NULL AND deleted_at IS NULL ORDER BY published_at DESC, id DESC"
SCHEMAS = {
    "identity": "identity", "identity_system": "identity", "content": "content",
    "studio": "studio", "render": "render", "render_system": "render", "files": "file_mgr",
    "notification": "notification",
}  # fmt: skip
CASES = [
    # role, query, index, what its condition must hold
    ("identity", f"SELECT id FROM users WHERE tenant_id = {T} AND email_key = 'a' "
     "AND deleted_at IS NULL", "users_email_key", "email_key"),
    ("identity", f"SELECT id FROM users WHERE tenant_id = {T} AND mobile = '+98' "
     "AND deleted_at IS NULL", "users_mobile", "mobile"),
    ("identity", f"SELECT * FROM user_plans WHERE tenant_id = {T} AND user_id = {U} "
     "AND status = 'Active'", "user_plans_active", "user_id"),
    ("identity", f"SELECT * FROM sessions WHERE id = {U}", "sessions_pkey", "id"),
    ("content", f"SELECT id FROM project_containers WHERE tenant_id = {T} AND slug_key = 's' "
     "AND deleted_at IS NULL", "project_containers_slug", "slug_key"),
    ("content", f"SELECT id FROM project_containers WHERE tenant_id = {T} AND {NEWEST} LIMIT 20",
     "project_containers_newest", "tenant_id"),
    ("content", f"SELECT id FROM project_containers WHERE tenant_id = {T} AND (published_at, id) < "
     f"(now(), {U}) AND {NEWEST} LIMIT 20", "project_containers_newest", "ROW(published_at, id)"),
    ("content", f"SELECT id FROM project_containers WHERE tenant_id = {T} AND category_id = {U} "
     f"AND {NEWEST} LIMIT 20", "project_containers_category", "category_id"),
    ("content", f"SELECT id FROM scenes WHERE tenant_id = {T} AND project_id = {U} "
     "AND deleted_at IS NULL ORDER BY position, id", "scenes_order", "project_id"),
    ("studio", f"SELECT id FROM saved_projects WHERE tenant_id = {T} AND user_id = {U} "
     "AND deleted_at IS NULL ORDER BY last_edited_at DESC, id DESC LIMIT 20",
     "saved_projects_list", "user_id"),
    ("studio", f"SELECT * FROM saved_scenes WHERE tenant_id = {T} AND saved_project_id = {U} "
     "ORDER BY position", "saved_scenes_order", "saved_project_id"),
    ("render", f"SELECT * FROM snapshots WHERE tenant_id = {T} AND cache_key = 'k'",
     "snapshots_tenant_id_cache_key_key", "cache_key"),
    ("render", f"SELECT id FROM render_jobs WHERE tenant_id = {T} AND user_id = {U} "
     "ORDER BY submitted_at DESC, id DESC LIMIT 20", "render_jobs_list", "user_id"),
    ("render_system", f"SELECT id FROM frame_jobs WHERE tenant_id = {T} AND engine = 'lottie' "
     f"AND user_id = {U} AND needs_key = '' AND state = 'Waiting' AND NOT held "
     "AND not_before <= now() ORDER BY tenant_id, engine, user_id, needs_key, rank, id LIMIT 1 "
     "FOR UPDATE SKIP LOCKED", "frame_jobs_queue", "needs_key"),
    ("render_system", "SELECT tenant_id FROM queue_tenants WHERE engine = 'lottie' AND active "
     "ORDER BY received, woken_at LIMIT 1", "queue_tenants_next", "engine"),
    ("render_system", f"SELECT user_id FROM queue_lanes WHERE engine = 'lottie' "
     f"AND tenant_id = {T} AND active ORDER BY received - head_start, woken_at LIMIT 1",
     "queue_lanes_next",
     "tenant_id"),
    ("render_system", f"SELECT user_id FROM queue_lanes WHERE engine = 'lottie' "
     f"AND tenant_id = {T} AND active ORDER BY received, woken_at LIMIT 1", "queue_lanes_fair",
     "tenant_id"),
    ("render_system", f"SELECT count(*) FROM frame_jobs WHERE tenant_id = {T} AND user_id = {U} "
     "AND state = 'Claimed'", "frame_jobs_running", "user_id"),
    ("render_system", f"SELECT id FROM frame_jobs WHERE tenant_id = {T} AND job_id = {U} "
     "AND kind = 'video'", "frame_jobs_job_id_kind_index_key", "job_id"),
    ("files", f"SELECT id FROM files WHERE tenant_id = {T} AND user_id = {U} AND state = 'Ready' "
     "AND trashed_at IS NULL ORDER BY created_at DESC, id DESC LIMIT 20",
     "files_newest", "user_id"),
    ("notification", f"SELECT id FROM notifications WHERE tenant_id = {T} AND user_id = {U} "
     "AND in_app AND archived_at IS NULL ORDER BY created_at DESC, id DESC LIMIT 20",
     "notifications_inbox", "user_id"),
]  # fmt: skip


def nodes(plan: dict[str, Any]) -> list[dict[str, Any]]:
    """Return the plan's nodes, outermost first."""
    return [plan, *(n for child in plan.get("Plans", ()) for n in nodes(child))]


async def explain(superuser: Any, role: str, query: str, index: str) -> list[dict[str, Any]]:
    """Plan a query as a role that has only one index to choose from; nothing is kept."""
    transaction = superuser.transaction()
    await transaction.start()
    try:
        # Empty tables say nothing of which index is best, so the question is whether it serves.
        await superuser.execute(
            "UPDATE pg_index SET indisvalid = false WHERE indrelid = "
            "(SELECT indrelid FROM pg_index WHERE indexrelid = $1::text::regclass) "
            "AND indexrelid <> $1::text::regclass",
            f"{SCHEMAS[role]}.{index}",
        )
        for setting in ("enable_seqscan", "enable_bitmapscan", "enable_sort"):
            await superuser.execute(f"SET LOCAL {setting} = off")
        await superuser.execute(f"SET LOCAL search_path = {SCHEMAS[role]}, public")
        await superuser.execute(f"SET LOCAL ROLE flatrender_{role}")
        answer = await superuser.fetchval(f"EXPLAIN (FORMAT json) {query}")
    finally:
        await transaction.rollback()
    return nodes(json.loads(answer)[0]["Plan"])


@pytest.mark.parametrize(
    ("role", "query", "index", "condition"), CASES, ids=[f"{c[2]}-{n}" for n, c in enumerate(CASES)]
)
async def test_a_hot_look_up_can_use_its_index(
    superuser: Any, role: str, query: str, index: str, condition: str
) -> None:
    plan = await explain(superuser, role, query, index)
    scan = next((n for n in plan if n.get("Index Name")), {})
    assert scan.get("Index Name") == index
    assert condition in scan.get("Index Cond", "")
    assert not any(n["Node Type"] == "Sort" for n in plan)


async def test_a_condition_that_leaks_is_kept_from_the_index(superuser: Any) -> None:
    """The trap itself, so that the tests above are known to see it."""
    query = (
        f"SELECT id FROM users WHERE tenant_id = {T} AND lower(email) = 'a' AND deleted_at IS NULL"
    )
    for role, barred in (("identity", True), ("identity_system", False)):
        plan = await explain(superuser, role, query, "users_email")
        conditions = [n.get("Index Cond", "") for n in plan]
        assert any("lower" in text for text in conditions) is not barred
