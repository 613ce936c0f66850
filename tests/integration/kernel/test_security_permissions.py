"""What moderators may, remembered by each process and forgotten with every change."""

from collections.abc import AsyncIterator, Mapping
from typing import Any
from urllib.parse import urlsplit
from uuid import UUID, uuid4

import pytest

from flatrender.clock import SystemClock
from flatrender.errors import Unavailable
from flatrender.security.gate import PAUSE_SECONDS, Gate
from flatrender.security.permissions import PermissionBook, define_permission, held_by_moderators
from flatrender.security.principal import Principal, Role
from flatrender.testing.clock import HeldClock
from flatrender.testing.switch import Switch

SEE = define_permission("test_book.see", fa="دیدن", en="See", moderators=True)
ACT = define_permission("test_book.act", fa="کردن", en="Act")


class Ledger:
    """The table of changes, and how often it was asked."""

    def __init__(self) -> None:
        self.changes: dict[str, bool] = {}
        self.asked = 0
        self.away = False

    async def role_changes(self, tenant_id: UUID, role: Role) -> Mapping[str, bool]:
        self.asked += 1
        assert role == "moderator"
        if self.away:
            raise ConnectionError
        return dict(self.changes)


class Process:
    """One process: its gate and its book over a shared ledger."""

    def __init__(self, gate: Gate, ledger: Ledger, clock: Any) -> None:
        self.gate = gate
        self.book = PermissionBook(ledger, clock)

    async def may(self, principal: Principal, name: str) -> bool:
        answer = await self.gate.check([], roles_of=principal.tenant_id)
        return (await self.book.fill(principal, answer)).may(name)


@pytest.fixture
def ledger() -> Ledger:
    return Ledger()


@pytest.fixture
def moderator() -> Principal:
    return Principal(kind="user", tenant_id=uuid4(), user_id=uuid4(), role="moderator", mfa_at=1)


@pytest.fixture
async def two(valkey_url: str, ledger: Ledger) -> AsyncIterator[list[Process]]:
    prefix = f"book-{uuid4().hex}"
    gates = [Gate(valkey_url, prefix) for _ in range(2)]
    yield [Process(gate, ledger, SystemClock()) for gate in gates]
    for gate in gates:
        await gate.close()


def test_the_list_is_closed_and_one_name_means_one_thing() -> None:
    assert define_permission("test_book.see", fa="دیدن", en="See", moderators=True) is SEE
    for name in ("test_book.see", "see", "Test.see", "test_book.see\n"):
        with pytest.raises(ValueError, match="cannot be defined"):
            define_permission(name, fa="", en="", moderators=False)
    held = held_by_moderators({"test_book.act": True, "nobody.knows": True})
    assert {SEE.name, ACT.name} <= held
    assert "nobody.knows" not in held


def test_who_may() -> None:
    tenant = uuid4()
    for kind, role, may in (
        ("user", "admin", True),
        ("user", "moderator", False),
        ("user", "user", False),
        ("api_key", "admin", False),
        ("system", "admin", False),
    ):
        assert Principal(kind=kind, tenant_id=tenant, role=role).may(SEE.name) is may  # type: ignore[arg-type]  # literals of the table
    given = frozenset({SEE.name})
    customer = Principal(kind="user", tenant_id=tenant, permissions=given)
    assert not customer.may(SEE.name)
    moderator = Principal(kind="user", tenant_id=tenant, role="moderator", permissions=given)
    assert (moderator.may(SEE.name), moderator.may(ACT.name)) == (True, False)


async def test_it_is_asked_once_and_a_change_counts_from_the_next_call(
    two: list[Process], ledger: Ledger, moderator: Principal
) -> None:
    first, second = two
    other = Principal(kind="user", tenant_id=uuid4(), role="moderator", mfa_at=1)
    for process in (first, second, first, second):
        assert await process.may(moderator, SEE.name)
    await first.may(other, SEE.name)
    asked = ledger.asked
    # Each process asks once; the other's first call of Valkey may have raised the epoch.
    assert asked <= 4
    for _ in range(5):
        assert await second.may(moderator, SEE.name)
    assert ledger.asked == asked
    ledger.changes = {SEE.name: False, ACT.name: True}
    assert await first.gate.roles_changed(moderator.tenant_id)
    for process in two:
        assert not await process.may(moderator, SEE.name)
        assert await process.may(moderator, ACT.name)
    again = ledger.asked
    await first.may(other, SEE.name)
    assert ledger.asked == again  # another tenant's memory stays


async def test_customers_and_administrators_cost_no_question(
    two: list[Process], ledger: Ledger
) -> None:
    for role in ("user", "admin"):
        await two[0].may(Principal(kind="user", tenant_id=uuid4(), role=role), SEE.name)  # type: ignore[arg-type]  # literals of the table
    assert ledger.asked == 0


async def test_without_valkey_every_call_asks_and_without_both_nobody_passes(
    valkey_url: str, ledger: Ledger, moderator: Principal
) -> None:
    parts = urlsplit(valkey_url)
    login_part = f":{parts.password}@" if parts.password else ""
    clock = HeldClock()
    async with Switch(parts.hostname or "", parts.port or 0) as switch:
        url = f"redis://{login_part}127.0.0.1:{switch.port}{parts.path}"
        gate = Gate(url, f"book-{uuid4().hex}", clock=clock)
        process = Process(gate, ledger, clock)
        assert await process.may(moderator, SEE.name)
        await switch.cut()
        ledger.changes = {SEE.name: False}
        assert not await gate.roles_changed(moderator.tenant_id)  # it could not be told
        assert not await process.may(moderator, SEE.name)
        ledger.away = True
        with pytest.raises(Unavailable):
            await process.may(moderator, SEE.name)
        ledger.away = False
        switch.mend()
        clock.pass_time(PAUSE_SECONDS + 0.1)
        assert not await process.may(moderator, SEE.name)  # the epoch was raised
        await gate.close()
