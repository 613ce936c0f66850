"""Money and counts under the death of whoever moves them, at any statement.

Each act is done once undisturbed to learn its statements, then dies after one of them, again and
again, each time for another render. After each death the world does what it does anyway: the
customer asks again with the same key, events are delivered (twice), an hour passes and the sweeps
look. Then the books must balance. The short form dies on both sides of every commit, which are
the deaths that differ for PostgreSQL; the full form after every statement.
"""

import asyncio
import os
import random
import secrets
import signal
from collections.abc import Awaitable, Callable
from typing import Any
from uuid import UUID

import msgspec
import pytest

from flatrender.events.envelope import Envelope
from flatrender.events.subscriptions import handle
from flatrender.testing.deaths import Mortal, dies, mortal
from flatrender.testing.doomed import Doomed
from flatrender_render.domain import Step
from flatrender_render.farm import accounts, reports
from flatrender_render.farm.claims import StaleEpoch
from flatrender_render.farm.failures import classify
from flatrender_render.services.batches import BatchService, BatchWake

FULL = os.environ.get("FLATRENDER_FAULTS") == "full"
Act = Callable[[], Awaitable[Any]]
_BOOKS = """
SELECT a.balance_minor AS balance, a.reserved_minor AS reserved,
       l.given, l.delta, l.held, r.charged, r.open, r.back, r.kept, d.renders, r.made, r.count_back
FROM identity.render_charge_accounts a
CROSS JOIN LATERAL (SELECT coalesce(sum(delta_minor), 0) AS delta,
                           coalesce(sum(delta_minor) FILTER (WHERE job_id IS NULL), 0) AS given,
                           coalesce(sum(reserved_delta_minor), 0) AS held
                    FROM identity.render_charge_ledger WHERE user_id = a.user_id) l
CROSS JOIN LATERAL (
    SELECT coalesce(sum(charge_minor), 0) AS charged, count(*) AS made,
           coalesce(sum(charge_minor) FILTER (WHERE state = 'Reserved'), 0) AS open,
           coalesce(sum(released_minor) FILTER (WHERE state = 'Released'), 0) AS back,
           coalesce(sum(charge_minor - released_minor) FILTER (WHERE state <> 'Reserved'), 0)
               AS kept,
           count(*) FILTER (WHERE count_given_back) AS count_back
    FROM identity.render_reservations WHERE user_id = a.user_id) r
CROSS JOIN LATERAL (SELECT coalesce(sum(renders), 0) AS renders
                    FROM identity.user_daily_usage WHERE user_id = a.user_id) d
WHERE a.user_id = $1
"""
#: Every reservation beside what became of the render it pays for.
_PAID = """
SELECT r.state, r.released_minor, r.charge_minor, r.count_given_back, j.step, j.refund_fraction,
       j.cancelled_by, w.state AS row
FROM identity.render_reservations r
LEFT JOIN render.render_jobs j ON coalesce(j.reservation_id, j.id) = r.job_id
LEFT JOIN render.batch_rows w ON w.job_id = r.job_id AND j.id IS NULL
WHERE r.user_id = $1
"""
_TWICE = """
SELECT reference FROM identity.render_charge_ledger WHERE user_id = $1
GROUP BY reference HAVING count(*) > 1
"""
_HOUR = """
UPDATE identity.render_reservations SET expires_at = now() - interval '1 s' WHERE user_id = $1
"""
_LOCKS = """
UPDATE render.idempotency_keys SET locked_until = now() - interval '1 s'
WHERE status IS NULL AND subject LIKE '%' || $1
"""
_TOLD = """
SELECT event_id, payload FROM render.outbox
WHERE kind = 'event' AND payload->'data'->>'job_id' = ANY (
    SELECT id::text FROM render.render_jobs WHERE user_id = $1)
  AND id > $2
ORDER BY id
"""


class Books:
    """A customer's renders, and what is written about their money."""

    def __init__(self, customer: Any, farm: Any) -> None:
        self.customer = customer
        self.platform = customer.platform
        self.person = customer.person
        self.farm = farm
        self.context = self.platform.runtime.plugins["render"].context
        self.admin: Any = None
        self.key = ""
        self.answers: list[Any] = []
        self.doomed: tuple[Doomed, int] | None = None  # who asks instead, and how long it lives
        self.since = 0  # of the outbox: what was told before this try

    async def call(self, method: str, path: str, body: Any = None) -> Any:
        """Ask with the key of this try: asked again, it is the same request."""
        key = {"Idempotency-Key": self.key}
        if self.doomed is not None:
            headers = {**self.person.headers, **key}
            doomed, after = self.doomed
            return await doomed.request(method, path, body, headers, after=after), None
        answer = await self.customer.call(method, path, body, **key)
        return answer.status_code, answer.json()

    async def job(self) -> str:
        """Submit a render whose pieces nobody else claims."""
        made = await self.customer.submit("540p")
        for statement in (
            "UPDATE render.frame_jobs SET engine = $2, held = true WHERE job_id = $1",
            "UPDATE render.render_jobs SET engine = $2 WHERE id = $1",
            "UPDATE render.frame_jobs SET held = false WHERE job_id = $1 AND engine = $2",
        ):
            await self.platform.sql(statement, UUID(made["id"]), self.farm.engine)
        return str(made["id"])

    async def assembly(self) -> Any:
        """Return the claim of a render that only has to be put together."""
        job = await self.job()
        while True:
            claim = await self.farm.must_claim()
            assert str(claim.job.id) == job
            if await self.farm.complete(claim):
                break
        claim = await self.farm.must_claim()
        assert (str(claim.job.id), claim.kind) == (job, "assemble")
        async with self.context.db.system("test") as work:
            await reports.advance(work, claim, Step.VALIDATING)
        return claim

    async def failed(self) -> str:
        """Return a render that failed and gave everything back."""
        job = await self.job()
        async with self.context.db.system("test") as work:
            assert await reports.fail_job(work, UUID(job), classify("job_too_old", ""))
        await self.deliver()
        return job

    async def deliver(self) -> None:
        """Hand every event of this customer's renders to identity and to the batches."""
        rows = await self.platform.sql(_TOLD, self.person.id, self.since)
        subscribers = self.platform.runtime.subscribers()
        for row in rows:
            envelope = envelope_of(row)
            for name, subscription in subscribers.get(envelope.event_type, ()):
                if name in ("identity", "render"):
                    context = self.platform.runtime.plugins[name].context
                    await handle(context, subscription, envelope)

    async def hour(self) -> None:
        """Let an hour pass, and the sweep look at what is still open."""
        await self.platform.sql(_HOUR, self.person.id)
        await accounts.settle_overdue(self.context)

    async def recover(self, again: Act, *, sweep_first: bool) -> None:
        """Let happen what happens after a death, in either order."""
        steps = [self.hour, self.deliver]
        for step in steps if sweep_first else reversed(steps):
            await step()
        await self.platform.sql(_LOCKS, str(self.person.id))
        self.answers.append(await again())
        for step in (self.deliver, self.hour, self.deliver):
            await step()

    async def balance(self) -> None:
        """The books: each amount once, each count once, nothing open without a living render."""
        (row,) = await self.platform.sql(_BOOKS, self.person.id)
        assert row["balance"] == row["delta"], "the account is the sum of its ledger"
        assert row["reserved"] == row["held"] == row["open"]
        assert row["charged"] == row["open"] + row["kept"] + row["back"]
        assert row["given"] - row["balance"] == row["charged"] - row["back"]
        assert row["renders"] == row["made"] - row["count_back"]
        assert await self.platform.sql(_TWICE, self.person.id) == []
        for paid in await self.platform.sql(_PAID, self.person.id):
            assert outcome_of(paid) == (
                paid["state"],
                paid["released_minor"],
                paid["count_given_back"],
            ), dict(paid)

    async def renders(self) -> int:
        (row,) = await self.platform.sql(
            "SELECT count(*) AS n FROM render.render_jobs WHERE user_id = $1", self.person.id
        )
        return int(row["n"])


def envelope_of(row: Any) -> Envelope:
    """Return an event as the relay hands it on."""
    return msgspec.json.decode(row["payload"], type=Envelope)


def outcome_of(paid: Any) -> tuple[str, int, bool]:
    """Return how a reservation must stand, by the render that it pays for."""
    charge = paid["charge_minor"]
    match paid["step"]:
        case None:  # no render of it, or one of the render's lives before a retry
            return (
                ("Reserved", 0, False) if paid["row"] == "Waiting" else ("Released", charge, True)
            )
        case "Done":
            return "Settled", 0, False
        case "Failed":
            return "Released", charge, True
        case "Cancelled":
            count = paid["cancelled_by"] != "user"
            return "Released", int(charge * paid["refund_fraction"]), count
    return "Reserved", 0, False


@pytest.fixture
async def books(island: Any, farm_of: Any) -> Books:
    customer = await island.lot.customer("long", plan="pro")
    await island.lot.platform.sql(
        "UPDATE identity.users SET daily_render_limit = 0 WHERE id = $1", customer.person.id
    )
    context = island.lot.platform.runtime.plugins["render"].context
    return Books(customer, farm_of(context.db))


async def submit(books: Books) -> Act:
    body = {"saved_project_id": books.customer.saved["id"], "resolution": "540p"}
    return lambda: books.call("POST", "/v1/renders", body)


async def retry(books: Books) -> Act:
    job = await books.failed()
    return lambda: books.call("POST", f"/v1/renders/{job}/retry")


async def cancel(books: Books) -> Act:
    job = await books.job()
    return lambda: books.call("POST", f"/v1/renders/{job}/cancel")


async def admin_stop(books: Books) -> Act:
    job, reason = await books.job(), {"reason": "abuse report"}

    async def act() -> Any:
        answer = await books.platform.client.post(
            f"/v1/admin/renders/{job}/stop", json=reason, headers=books.admin.headers
        )
        return answer.status_code, answer.json()

    return act


async def finish(books: Books) -> Act:
    """A node's report of the finished video, then identity's handling of the news."""
    claim = await books.assembly()

    async def act() -> Any:
        try:
            async with books.context.db.system("test") as work:
                await reports.finish(work, claim, books.farm.finished(claim))
        except StaleEpoch:
            pass
        await books.deliver()

    return act


async def fail(books: Books) -> Act:
    """A node's report of a failure for good, then identity's handling of the news."""
    claim = await books.assembly()

    async def act() -> Any:
        try:
            async with books.context.db.system("test") as work:
                await reports.fail(work, claim, classify("template_broken", "because"))
        except StaleEpoch:
            pass
        await books.deliver()

    return act


async def _batch(books: Books) -> str:
    key = books.key
    books.key = secrets.token_hex(8)
    status, body = await (await batch(books))()
    books.key = key
    assert status == 202, body
    return str(body["id"])


async def batch(books: Books) -> Act:
    """Submit of a table, then the making of its renders."""
    body = {
        "saved_project_id": books.customer.saved["id"],
        "resolution": "540p",
        "rows": [{"headline": "a"}, {"headline": "b"}, {"headline": "c"}],
    }

    async def act() -> Any:
        answer = await books.call("POST", "/v1/batches", body)
        await _expand(books)
        return answer

    return act


async def batch_cancel(books: Books) -> Act:
    made = await _batch(books)

    async def act() -> Any:
        answer = await books.call("POST", f"/v1/batches/{made}/cancel")
        await books.context.get(BatchService).stop_jobs(_wake(books, made))
        return answer

    return act


async def batch_retry(books: Books) -> Act:
    made = await _batch(books)
    rows = await books.platform.sql(
        "SELECT job_id FROM render.batch_rows WHERE batch_id = $1 AND row < 3", UUID(made)
    )
    for row in rows:
        async with books.context.db.system("test") as work:
            assert await reports.fail_job(work, row["job_id"], classify("job_too_old", ""))
    await books.deliver()

    async def act() -> Any:
        answer = await books.call("POST", f"/v1/batches/{made}/retry")
        await _expand(books)
        return answer

    return act


def _wake(books: Books, batch_id: str) -> BatchWake:
    return BatchWake(tenant_id=books.person.tenant_id, batch_id=UUID(batch_id))


async def _expand(books: Books) -> None:
    """Do what the task does that a submit enqueues, and the sweep where that was lost."""
    rows = await books.platform.sql(
        "SELECT id FROM render.batches WHERE user_id = $1 AND state = 'Running'", books.person.id
    )
    for row in rows:
        await books.context.get(BatchService).expand(_wake(books, str(row["id"])))


ACTS = [submit, retry, cancel, admin_stop, finish, fail, batch, batch_cancel, batch_retry]


Arrange = Callable[[Books], Awaitable[Act]]


async def arranged(books: Books, arrange: Arrange) -> Act:
    """Prepare another try, with a key of its own."""
    (told,) = await books.platform.sql("SELECT coalesce(max(id), 0) AS n FROM render.outbox")
    books.since = told["n"]
    books.key = secrets.token_hex(8)
    return await arrange(books)


async def undisturbed(books: Books, arrange: Arrange) -> tuple[Mortal, int]:
    """Do an act to its end; returns its statements and how many renders it made."""
    await (await arranged(books, arrange))()  # opens what is opened once
    act = await arranged(books, arrange)
    before = await books.renders()
    with mortal(None) as life:
        await act()
    made = await books.renders() - before
    await books.recover(act, sweep_first=False)
    await books.balance()
    return life, made


@pytest.mark.parametrize("arrange", ACTS, ids=lambda act: act.__name__)
async def test_nothing_is_lost_or_doubled_wherever_it_dies(books: Books, arrange: Arrange) -> None:
    if arrange is admin_stop:
        books.admin = await books.platform.admin()

    life, each = await undisturbed(books, arrange)
    deaths = range(len(life.arrived) + 1) if FULL else life.edges
    assert len(deaths) > 1
    for number, after in enumerate(deaths):
        act = await arranged(books, arrange)
        before = await books.renders()
        with mortal(after) as life:
            await dies(life, act())
        await books.recover(act, sweep_first=bool(number % 2))
        await books.balance()
        assert await books.renders() - before == each, (books.answers[-1], after, life.arrived)


REAL = [submit, retry, cancel, batch] if FULL else [submit]


@pytest.mark.parametrize("arrange", REAL, ids=lambda act: act.__name__)
async def test_nothing_is_lost_or_doubled_by_a_real_kill(
    books: Books, arrange: Arrange, island: Any
) -> None:
    """A whole API process is killed with SIGKILL in the middle of the request."""
    life, each = await undisturbed(books, arrange)
    some = random.Random(arrange.__name__).sample(life.edges, 2)
    deaths = range(len(life.arrived)) if FULL else some
    killed = 0
    async with Doomed(island.environment) as doomed:
        for number, after in enumerate(deaths):
            act = await arranged(books, arrange)
            before = await books.renders()
            books.doomed = doomed, after
            ended, _ = await act()
            books.doomed = None
            killed += ended == -signal.SIGKILL
            # A new process caches nothing and keeps other things: it may end a little earlier.
            assert ended == -signal.SIGKILL or (ended == 0 and after > len(life.arrived) / 2)
            await books.recover(act, sweep_first=bool(number % 2))
            await books.balance()
            assert await books.renders() - before == each, (after, life.arrived)
    assert killed > 0


async def test_two_retries_of_a_batch_at_once_are_one(books: Books) -> None:
    await arranged(books, batch_retry)
    before = await books.renders()
    (last,) = await books.platform.sql(
        "SELECT id FROM render.batches WHERE user_id = $1 ORDER BY created_at DESC LIMIT 1",
        books.person.id,
    )
    lock = "SELECT FROM render.batches WHERE id = $1 FOR UPDATE"
    async with books.platform.held(lock, last["id"]):
        both = []
        for _ in range(2):
            books.key = secrets.token_hex(8)
            path = f"/v1/batches/{last['id']}/retry"
            both.append(asyncio.create_task(books.call("POST", path)))
            await asyncio.sleep(0)  # it takes its key before the next one gets another
        await books.platform.waiters(2, of="render.batches")
    assert [status for status, _ in await asyncio.gather(*both)] == [202, 202]
    await _expand(books)
    assert await books.renders() - before == 2
    await books.balance()
