"""Acts on renders over HTTP: pause, resume, retry, priority, stop; why a render waits; rules.

No worker runs here: what nodes do is done by hand, between two calls.
"""

import asyncio
import secrets
from importlib import import_module
from typing import Any
from uuid import UUID, uuid4

import pytest

from flatrender.db import SystemTransaction
from flatrender_render.farm import accounts, claims, reports
from flatrender_render.farm.claims import Claim
from flatrender_render.farm.failures import classify
from flatrender_render.farm.reports import Piece
from flatrender_render.services.acts import ActService, Reach

SHA = "c" * 64


class Bench:
    """A customer's render and a node that works on it by hand."""

    def __init__(self, customer: Any, job: dict[str, Any], node: UUID) -> None:
        self.customer = customer
        self.job = job
        self.id: str = job["id"]
        self.node = node
        self.platform = customer.platform
        self.db = self.platform.runtime.plugins["render"].context.db

    async def act(self, name: str, body: Any = None, *, key: str | None = None) -> Any:
        """Do an act as the owner."""
        return await self.customer.call(
            "POST",
            f"/v1/renders/{self.id}/{name}",
            body,
            **{"Idempotency-Key": key or secrets.token_hex(8)},
        )

    async def must(self, name: str, body: Any = None) -> dict[str, Any]:
        """Do an act that is accepted."""
        answer = await self.act(name, body)
        assert answer.status_code in (200, 202), answer.text
        found: dict[str, Any] = answer.json()
        return found

    async def take(self) -> Claim | None:
        """Claim a piece of this render, whatever else waits here."""
        await self.platform.sql(
            "UPDATE render.frame_jobs SET held = true WHERE job_id <> $1 AND state = 'Waiting'",
            UUID(self.id),
        )
        claim = await claims.take(self.db, engine="lottie", node_id=self.node)
        assert claim is None or claim.job.id == UUID(self.id)
        return claim

    async def must_take(self) -> Claim:
        """Claim a piece that is there."""
        claim = await self.take()
        assert claim is not None
        async with self.db.system("test") as work:
            await claims.begin(work, claim.job.id)
        return claim

    async def complete(self, claim: Claim) -> bool:
        """Report a proven piece."""
        piece = Piece(
            object_key=claim.object_key("mp4"), sha256=SHA, frames=claim.frames,
            packets=claim.frames, bytes=10,
        )  # fmt: skip
        async with self.db.system("test") as work:
            return await reports.complete(work, claim, piece)

    async def fail(self, claim: Claim, code: str) -> bool:
        """Report a failure."""
        async with self.db.system("test") as work:
            return await reports.fail(work, claim, classify(code, "because"))

    async def fail_job(self, code: str = "job_too_old") -> None:
        """End the render as failed."""
        async with self.db.system("test") as work:
            assert await reports.fail_job(work, UUID(self.id), classify(code, "because"))

    async def row(self, columns: str = "*") -> Any:
        """Return the job's row."""
        sql = f"SELECT {columns} FROM render.render_jobs WHERE id = $1"
        return (await self.platform.sql(sql, UUID(self.id)))[0]

    async def history(self) -> dict[str, Any]:
        """Return the history as the owner sees it."""
        found: dict[str, Any] = await self.customer.get(f"/v1/renders/{self.id}/history")
        return found

    async def why(self) -> str | None:
        """Return the code of why it waits."""
        found = (await self.history())["why"]
        return found["code"] if found else None


@pytest.fixture
async def bench(island: Any) -> Bench:
    """A render of two ranges and a sound, of a person on a paid plan, and a node."""
    customer = await island.lot.customer("long", plan="pro")
    await customer.give_charge(10_000_000)
    job = await customer.submit("540p")
    node = uuid4()
    await island.lot.platform.sql(
        "INSERT INTO render.nodes (id, name, status, engines, last_heartbeat_at) "
        "VALUES ($1, $2, 'Idle', '{lottie}', now())",
        node,
        f"n-{node}",
    )
    return Bench(customer, job, node)


async def test_a_pause_drains_and_a_resume_goes_on(bench: Bench) -> None:
    running = await bench.must_take()
    assert (await bench.must("pause"))["step"] == "Paused"
    assert (await bench.must("pause"))["step"] == "Paused", "twice is as good as once"
    assert await bench.take() is None
    assert await bench.why() == "paused"
    await bench.complete(running)
    assert (await bench.row("frame_jobs_done"))[0] == 1, "what ran is kept"
    assert (await bench.must("resume"))["step"] == "Queued"
    refused = await bench.act("resume")
    assert (refused.status_code, refused.json()["code"]) == (409, "not_paused")
    rest = [await bench.must_take(), await bench.must_take()]
    assert running.id not in {claim.id for claim in rest}


async def test_a_piece_that_fails_in_a_pause_does_not_come_back_before_its_end(
    bench: Bench,
) -> None:
    running = await bench.must_take()
    await bench.must("pause")
    assert not await bench.fail(running, "store_unavailable")
    await bench.platform.sql(
        "UPDATE render.frame_jobs SET not_before = now() WHERE id = $1", running.id
    )
    assert await bench.take() is None
    await bench.must("resume")
    assert (await bench.must_take()).id == running.id


async def test_a_job_drained_to_its_last_piece_goes_on_with_its_assembly(bench: Bench) -> None:
    pieces = [await bench.must_take() for _ in range(3)]
    await bench.must("pause")
    for claim in pieces:
        await bench.complete(claim)
    assert await bench.take() is None, "the assembly waits for the end of the pause"
    assert (await bench.must("resume"))["step"] == "Encoding"
    assert (await bench.must_take()).kind == "assemble"
    refused = await bench.act("pause")
    assert (refused.status_code, refused.json()["code"]) == (409, "not_pausable")


async def test_a_retry_keeps_what_is_proven_and_pays_again(bench: Bench) -> None:
    before = (await bench.customer.limits())["charge_minor"]
    proven = await bench.must_take()
    await bench.complete(proven)
    failed = await bench.must_take()
    await bench.fail_job()
    with pytest.raises(claims.StaleEpoch):
        await bench.complete(failed)
    charge = (await bench.row("charge_minor"))[0]
    assert charge > 0
    key = secrets.token_hex(8)
    again = [await bench.act("retry", key=key) for _ in range(2)]
    assert [answer.status_code for answer in again] == [202, 202], again[-1].text
    row = await bench.row()
    assert (row["step"], row["error_code"], row["reservation_state"]) == (
        "Queued", None, "Reserved",
    )  # fmt: skip
    paid = await bench.platform.sql(
        "SELECT state, charge_minor FROM identity.render_reservations WHERE job_id = $1",
        row["reservation_id"],
    )
    assert [tuple(one) for one in paid] == [("Reserved", charge)]
    assert (await bench.customer.limits())["charge_minor"] == before - charge
    rest = {(await bench.must_take()).id for _ in range(2)}
    states = await bench.platform.sql(
        "SELECT state FROM render.frame_jobs WHERE id = $1", proven.id
    )
    assert states[0]["state"] == "Done"
    assert proven.id not in rest
    refused = await bench.act("retry")
    assert (refused.status_code, refused.json()["code"]) == (409, "not_failed")


async def test_what_would_fail_again_is_not_retried(bench: Bench) -> None:
    await bench.fail_job("template_broken")
    refused = await bench.act("retry")
    assert (refused.status_code, refused.json()["code"]) == (409, "not_retryable")
    found = await bench.history()
    assert found["error_fa"]
    assert found["error_en"]


async def test_a_customer_orders_up_to_the_plan_and_an_admin_beyond(bench: Bench) -> None:
    given = (await bench.row("priority"))[0]
    assert (await bench.act("priority", {"priority": given - 5})).status_code == 200
    assert (await bench.act("priority", {"priority": given})).status_code == 200
    refused = await bench.act("priority", {"priority": given + 1})
    assert (refused.status_code, refused.json()["code"]) == (403, "priority_too_high")
    admin = await bench.platform.admin()
    answer = await bench.platform.client.post(
        f"/v1/admin/renders/{bench.id}/priority", json={"priority": 90}, headers=admin.headers
    )
    assert answer.status_code == 200, answer.text
    ranks = await bench.platform.sql(
        "SELECT DISTINCT extract(epoch FROM created_at - rank)::int AS s FROM render.frame_jobs "
        "WHERE job_id = $1",
        UUID(bench.id),
    )
    assert [row["s"] for row in ranks] == [90 * 60]


async def test_an_admins_stop_gives_everything_back(bench: Bench) -> None:
    await bench.must_take()
    admin = await bench.platform.admin()
    answer = await bench.platform.client.post(
        f"/v1/admin/renders/{bench.id}/stop",
        json={"reason": "abuse report"},
        headers=admin.headers,
    )
    assert answer.status_code == 200, answer.text
    assert answer.json()["acts"][-1]["reason"] == "abuse report"
    row = await bench.row("step, refund_fraction, cancelled_by, reservation_state")
    assert tuple(row) == ("Cancelled", 1.0, "admin", "Releasing")
    seen = await bench.customer.get(f"/v1/renders/{bench.id}")
    assert (seen["step"], seen["cancelled_by"]) == ("Cancelled", "admin"), "its owner sees who"
    told = await bench.platform.sql(
        "SELECT payload->'data' AS data FROM render.outbox "
        "WHERE name = 'render.job.cancelled.v1' AND payload->'data'->>'job_id' = $1",
        bench.id,
    )
    assert len(told) <= 1
    assert await bench.take() is None


async def test_acts_reach_nobody_elses_job(bench: Bench, island: Any) -> None:
    other = await island.lot.platform.person()
    for act in ("pause", "resume", "retry", "cancel"):
        answer = await island.lot.platform.client.post(
            f"/v1/renders/{bench.id}/{act}",
            headers={**other.headers, "Idempotency-Key": secrets.token_hex(8)},
        )
        assert (answer.status_code, answer.json()["code"]) == (404, "not_found"), act
    plain = await island.lot.platform.client.post(
        f"/v1/admin/renders/{bench.id}/stop", json={"reason": "mine"}, headers=other.headers
    )
    assert plain.status_code == 403
    assert (await bench.row("step"))[0] == "Queued"


async def test_every_reason_to_wait_is_told(bench: Bench) -> None:
    sql = bench.platform.sql
    job, tenant = UUID(bench.id), bench.customer.person.tenant_id
    assert await bench.why() == "farm_busy"
    share = "INSERT INTO render.tenant_shares (tenant_id, {0}) VALUES ($1, 1)"
    other = await sql("SELECT id FROM render.render_jobs WHERE id <> $1 LIMIT 1", job)
    for column, code in (
        ("max_running_frames", "tenant_cap"),
        ("max_running_frames_per_user", "user_cap"),
    ):
        await sql(share.format(column), tenant)
        await sql(
            "UPDATE render.frame_jobs SET state = 'Claimed', lease_until = now() + interval '1 h', "
            "node_id = $2, user_id = $3 WHERE id = (SELECT id FROM render.frame_jobs "
            "WHERE job_id = $1 LIMIT 1)",
            other[0]["id"],
            bench.node,
            bench.customer.person.id,
        )
        assert await bench.why() == code
        await sql("DELETE FROM render.tenant_shares WHERE tenant_id = $1", tenant)
    later = "UPDATE render.frame_jobs SET not_before = now() + interval '9 s' WHERE job_id = $1"
    await sql(later, job)
    assert await bench.why() == "back_off"
    await sql("UPDATE render.frame_jobs SET not_before = now() WHERE job_id = $1", job)
    await sql(
        "INSERT INTO render.job_node_blocks (tenant_id, job_id, node_id) "
        "SELECT $1, $2, id FROM render.nodes",
        tenant,
        job,
    )
    assert await bench.why() == "nodes_blocked"
    needs = "UPDATE render.frame_jobs SET needs = $2, needs_key = 'x' WHERE job_id = $1"
    await sql(needs, job, '{"fonts": ["Lalezar"]}')
    history = await bench.history()
    assert (history["why"]["code"], history["why"]["fonts"]) == ("no_font", ["Lalezar"])
    assert "Lalezar" in history["why"]["message_fa"]
    await sql(needs, job, '{"engine": "99.1"}')
    assert await bench.why() == "no_version"
    await sql("UPDATE render.nodes SET status = 'Offline' WHERE status <> 'Offline'")
    assert await bench.why() == "no_node"


async def test_rules_change_by_new_versions_and_judge_lines(bench: Bench) -> None:
    platform, admin = bench.platform, await bench.platform.admin()

    async def call(method: str, path: str, body: Any = None) -> Any:
        return await platform.client.request(
            method, f"/v1/admin/failure-rules{path}", json=body, headers=admin.headers
        )

    rules = (await call("GET", "/")).json()["data"]
    assert rules[-1]["code"] == "unknown"
    line = "WARNING:After Effects warning: Project has missing fonts."
    judged = (await call("POST", "/try", {"text": f"x\n{line}", "engine": "aerender"})).json()
    assert (judged["rule"]["code"], judged["line"]) == ("ae_missing_fonts", line)
    code = f"own_{secrets.token_hex(4)}"
    body = {
        "version": 0, "priority": 1, "pattern": f"flux {code}", "error_class": "node",
        "action": "elsewhere", "explanation_fa": "الف", "explanation_en": "a",
    }  # fmt: skip
    assert (await call("PUT", f"/{code}", body)).status_code == 200
    assert (await call("PUT", f"/{code}", body)).json()["code"] == "rule_changed"
    changed = await call("PUT", f"/{code}", {**body, "version": 1, "explanation_en": "b"})
    assert changed.json()["version"] == 2
    versions = (await call("GET", f"/{code}")).json()["data"]
    assert [(v["version"], v["active"], v["explanation_en"]) for v in versions] == [
        (2, True, "b"), (1, False, "a"),
    ]  # fmt: skip
    assert classify("internal", f"a flux {code} b").explanation_en == "b", "at once, here"
    for pattern in ("(a+)+$", "(a|aa)*b", "(?:a?){30}a{30}", ".*.*=.*", r"(a)\1", "x*", "["):
        refused = await call("PUT", f"/{code}", {**body, "version": 2, "pattern": pattern})
        assert (refused.status_code, refused.json()["code"]) == (422, "rule_pattern"), pattern
    for unfair in ({"action": "fail_now"}, {"error_class": "template", "action": "quarantine"}):
        refused = await call("PUT", f"/{code}", {**body, "version": 2, **unfair})
        assert (refused.status_code, refused.json()["code"]) == (422, "rule_unfair")
    assert (await call("DELETE", f"/{code}")).status_code == 204
    assert classify("internal", f"a flux {code} b").rule == "unknown"
    other = await platform.person()
    refused = await platform.client.get("/v1/admin/failure-rules", headers=other.headers)
    assert refused.status_code == 403


async def test_the_list_is_filtered_and_says_why(bench: Bench) -> None:
    saved = bench.job["saved_project_id"]

    async def ids(query: str) -> list[str]:
        page = await bench.customer.get(f"/v1/renders?{query}")
        return [job["id"] for job in page["data"]]

    assert await ids(f"saved_project_id={saved}") == [bench.id]
    assert await ids(f"saved_project_id={uuid4()}") == []
    assert await ids(f"batch_id={uuid4()}") == []
    assert await ids("since=2020-01-01T00:00:00Z&before=2099-01-01T00:00:00") == [bench.id]
    assert await ids("before=2020-01-01T00:00:00Z") == []
    assert await ids("step=Done") == []
    await bench.must("pause")
    page = await bench.customer.get("/v1/renders?step=Paused")
    assert [(job["id"], job["why_waiting"]) for job in page["data"]] == [(bench.id, "paused")]


class _Killed(Exception):
    """The process died here."""


def _dying(monkeypatch: pytest.MonkeyPatch, after: int) -> None:
    """Let this task's ``after``-th cross-tenant statement be the last that arrives.

    What other tasks of the process do meanwhile (the relay, the worker) does not count.
    """
    left, ours = [after], asyncio.current_task()

    def wrap(name: str) -> None:
        real = getattr(SystemTransaction, name)

        async def call(self: Any, sql: str, *args: object) -> Any:
            found = await real(self, sql, *args)
            if asyncio.current_task() is ours:
                left[0] -= 1
                if left[0] == 0:
                    raise _Killed
            return found

        monkeypatch.setattr(SystemTransaction, name, call)

    for name in ("execute", "fetchrow", "fetchval"):
        wrap(name)


async def test_a_retry_that_dies_at_any_statement_takes_nothing(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Neither the death of the transaction nor that of the process loses or doubles money."""
    context = bench.platform.runtime.plugins["render"].context
    entitlements = import_module("flatrender_identity.services.entitlements").EntitlementService
    acts, person = context.get(ActService), bench.customer.person
    await bench.fail_job()
    open_ = (
        "SELECT count(*) AS n FROM identity.render_reservations WHERE user_id = $1 "
        "AND state = 'Reserved' AND job_id <> $2"
    )
    reach = Reach(tenant_id=person.tenant_id, user_id=person.id, by="user", actor=person.id)
    balance = (await bench.customer.limits())["charge_minor"]
    statement = 0
    while True:
        statement += 1
        with monkeypatch.context() as patch:
            _dying(patch, statement)
            if statement % 2:  # the process itself is gone: nobody gives back at once
                patch.setattr(entitlements, "release", _nothing)
            try:
                await acts.retry(reach, UUID(bench.id))
            except _Killed:
                pass
            else:
                break
        assert (await bench.row("step"))[0] == "Failed", statement
        await bench.platform.sql(
            "UPDATE identity.render_reservations SET expires_at = now() - interval '1 s' "
            "WHERE user_id = $1 AND job_id <> $2",
            person.id,
            UUID(bench.id),
        )
        await accounts.settle_overdue(context)
        assert (await bench.platform.sql(open_, person.id, UUID(bench.id)))[0]["n"] == 0
        assert (await bench.customer.limits())["charge_minor"] == balance, statement
    assert statement > 8, "every statement of the transaction was tried"
    charge = (await bench.row("charge_minor"))[0]
    assert (await bench.customer.limits())["charge_minor"] == balance - charge
    assert (await bench.platform.sql(open_, person.id, UUID(bench.id)))[0]["n"] == 1
    # The event of the first end was lost: the sweep gives that reservation back, and keeps ours.
    await bench.platform.sql(
        "UPDATE identity.render_reservations SET expires_at = now() - interval '1 s' "
        "WHERE user_id = $1",
        person.id,
    )
    await accounts.settle_overdue(context)
    states = await bench.platform.sql(
        "SELECT state FROM identity.render_reservations WHERE user_id = $1 AND job_id IN "
        "($2, (SELECT reservation_id FROM render.render_jobs WHERE id = $2)) ORDER BY created_at",
        person.id,
        UUID(bench.id),
    )
    assert [row["state"] for row in states] == ["Released", "Reserved"]


async def _nothing(*_args: object, **_named: object) -> None:
    return None
