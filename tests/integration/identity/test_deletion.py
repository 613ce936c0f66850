"""The end of an account: grace, taking it back, and what is left of a person in every context."""

from datetime import UTC, datetime
from secrets import token_bytes
from typing import Any

from flatrender.testing.platform import PASSWORD, Person, Platform
from flatrender.testing.schema import SampleRows, insert
from flatrender_identity.services.deletion import DeletionService

#: What may still name the account's number, and why that is no person's data any more.
KEPT = {
    # books are kept: money, charges and what was counted for them, points that only grow
    "identity.payments",
    "identity.user_plans",
    "identity.plan_days_ledger",
    "identity.wallets",
    "identity.wallet_ledger",
    "identity.render_charge_accounts",
    "identity.render_charge_ledger",
    "identity.render_reservations",
    "identity.user_daily_usage",
    "identity.discount_codes",
    "identity.xp_ledger",
    # the farm's history, without names and compositions; videos end with their sweep
    "render.render_jobs",
    "render.exports",
    "render.batches",
    # rows of deleted files and of uploads that are being closed
    "file_mgr.files",
    "file_mgr.upload_sessions",
    "file_mgr.quotas",
}


async def _ask(platform: Platform, person: Person, password: str | None = PASSWORD) -> Any:
    body = {"current_password": password} if password else {}
    return await platform.client.post("/v1/me/deletion", json=body, headers=person.headers)


async def _due(platform: Platform, person: Person) -> None:
    """The grace is over, and the sweep runs."""
    await platform.sql(
        "UPDATE identity.users SET deletion_due_at = now() - interval '1 second' "
        "WHERE id = $1 AND deletion_due_at IS NOT NULL",
        person.id,
    )
    await platform.runtime.plugins["identity"].context.get(DeletionService).erase_due()


async def test_an_account_works_until_its_day_and_is_kept_on_a_word(
    platform: Platform, post: Any
) -> None:
    person = await platform.person()
    refused = await _ask(platform, person, None)
    assert (refused.status_code, refused.json()["code"]) == (403, "proof_required")
    nothing = await platform.client.delete("/v1/me/deletion", headers=person.headers)
    assert nothing.status_code == 404
    asked = await _ask(platform, person)
    assert asked.status_code == 202, asked.text
    due = asked.json()["deletion_due_at"]
    assert due is not None
    assert (await _ask(platform, person)).json()["deletion_due_at"] == due  # asking again
    told = await post.last(person.email, "delete_account")
    assert told["params"] == {"day": due[:10]}
    life = await platform.sql(
        "SELECT deletion_due_at - deletion_requested_at AS grace FROM identity.users WHERE id = $1",
        person.id,
    )
    assert life[0]["grace"].days == 30
    await platform.runtime.plugins["identity"].context.get(DeletionService).erase_due()
    again = await platform.login(person.email)
    kept = await platform.client.delete("/v1/me/deletion", headers=again.headers)
    assert kept.status_code == 204
    await _due(platform, person)
    me = await platform.client.get("/v1/me", headers=again.headers)
    assert (me.status_code, me.json()["deletion_due_at"]) == (200, None)


async def test_the_mails_link_keeps_the_account_once(platform: Platform, post: Any) -> None:
    person = await platform.person()
    await _ask(platform, person)
    token = await post.token(person.email, "delete_account")
    kept = await platform.client.post("/v1/auth/deletion/cancel", json={"token": token})
    assert kept.status_code == 204, kept.text
    await post.last(person.email, "deletion_cancelled")
    again = await platform.client.post("/v1/auth/deletion/cancel", json={"token": token})
    assert (again.status_code, again.json()["code"]) == (401, "invalid_link")


async def test_the_last_admin_stays(platform: Platform) -> None:
    _tenant, key = await platform.tenant()
    admin = await platform.admin(tenant_key=key)
    refused = await _ask(platform, admin, None)
    assert (refused.status_code, refused.json()["code"]) == (409, "last_admin")


async def _rows_of_every_table(platform: Platform, person: Person) -> list[str]:
    """Give the person a row in every table that has people; returns the tables."""
    found = await platform.sql(
        "SELECT c.table_schema AS schema, c.table_name AS name FROM information_schema.columns c "
        "JOIN pg_class k ON k.relname = c.table_name "
        "AND k.relnamespace = c.table_schema::text::regnamespace "
        "WHERE c.column_name = 'user_id' AND NOT k.relispartition AND k.relkind IN ('r', 'p') "
        # The farm's work in hand copies the number for its shares; it is no one's to insert.
        "AND (c.table_schema <> 'render' "
        "     OR c.table_name IN ('render_jobs', 'exports', 'batches', 'export_shares')) "
        "AND c.table_schema = ANY ($1::text[]) ORDER BY 1, 2",
        ["identity", "studio", "render", "file_mgr", "notification", "content"],
    )
    samples = SampleRows(
        {
            "identity.mfa_factors": {"kind": "totp", "secret_enc": b"s"},
            "identity.one_time_tokens": {"token_hash": token_bytes(32)},
            "identity.trusted_devices": {"token_hash": token_bytes(32)},
            "identity.discount_codes": {"percent": 10},
            "file_mgr.files": {"state": "Ready", "sha256": "0" * 64, "name": "my passport.jpg"},
            "render.exports": {"name": "my wedding"},
            "render.render_jobs": {
                "project_name": "my wedding",
                "step": "Done",  # no farm takes it up
                "finished_at": datetime.now(UTC),
            },
        }
    )
    tables = []
    async with platform.connection() as connection:
        await connection.execute("SET session_replication_role = replica")
        for schema, name in found:
            fixed = {"tenant_id": person.tenant_id, "user_id": person.id}
            there = await connection.fetchval(
                f'SELECT count(*) FROM "{schema}"."{name}" WHERE user_id = $1', person.id
            )
            if not there:
                values = await samples.row(connection, schema, name, fixed)
                await insert(connection, schema, name, values)
            tables.append(f"{schema}.{name}")
    return tables


async def _left(platform: Platform, tables: list[str], person: Person) -> set[str]:
    union = " UNION ALL ".join(
        f"SELECT '{table}' AS name, count(*) AS n FROM {table} WHERE user_id = $1"
        for table in tables
    )
    return {row["name"] for row in await platform.sql(union, person.id) if row["n"]}


async def test_every_context_forgets_the_person(platform: Platform, post: Any) -> None:
    person, neighbour = await platform.person(), await platform.person()
    await post.last(person.email, "verify_email")
    tables = await _rows_of_every_table(platform, person)
    await _rows_of_every_table(platform, neighbour)
    assert len(tables) > 25
    assert (await _ask(platform, person)).status_code == 202
    await _due(platform, person)
    gone = await platform.client.get("/v1/me", headers=person.headers)
    assert (gone.status_code, gone.json()["code"]) == (401, "session_ended")

    async def forgotten() -> bool:
        return not (await _left(platform, tables, person)) - KEPT

    await platform.until(forgotten)
    rows = await platform.sql(
        "SELECT u::text AS all, status, deleted_at IS NOT NULL AS ended FROM identity.users u "
        "WHERE id = $1",
        person.id,
    )
    assert (rows[0]["status"], rows[0]["ended"]) == ("Deleted", True)
    assert person.email not in rows[0]["all"]
    assert "Test Person" not in rows[0]["all"]

    async def nameless() -> bool:
        found = await platform.sql(
            "SELECT (SELECT count(*) FROM render.exports e WHERE user_id = $1 AND e.name <> '') "
            "+ (SELECT count(*) FROM render.render_jobs j WHERE user_id = $1 "
            "   AND j.project_name <> '') "
            "+ (SELECT count(*) FROM file_mgr.files f WHERE user_id = $1 "
            "   AND (f.state <> 'Deleted' OR f.name <> 'deleted')) AS n",
            person.id,
        )
        return bool(found[0]["n"] == 0)

    await platform.until(nameless)
    # somebody else's is as it was, and the address is free again
    assert await _left(platform, tables, neighbour) == set(tables)
    assert (await platform.client.get("/v1/me", headers=neighbour.headers)).status_code == 200
    fresh = await platform.person(email=person.email)
    assert fresh.id != person.id


async def test_a_sweep_that_runs_twice_erases_once(platform: Platform) -> None:
    person = await platform.person()
    await _ask(platform, person)
    for _ in range(2):
        await _due(platform, person)
    told = await platform.sql(
        "SELECT count(*) AS n FROM identity.outbox WHERE name = 'identity.user.deleted.v1' "
        "AND payload->'data'->>'user_id' = $1",
        str(person.id),
    )
    assert told[0]["n"] == 1
