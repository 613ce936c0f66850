"""Guards: who may pass, decided from the principal alone."""

from types import SimpleNamespace
from typing import Any
from uuid import UUID

import pytest
from msgspec import structs

from flatrender.errors import DomainError
from flatrender.security.guards import (
    AsyncGuard,
    Guard,
    requires_node,
    requires_owner,
    requires_role,
    requires_scope,
    requires_step_up,
    requires_system,
    requires_user,
)
from flatrender.security.principal import DEFAULT_TENANT_ID, Principal, anonymous
from flatrender.testing.clock import HeldClock

CLOCK = HeldClock()
NOW = int(CLOCK.now().timestamp())


def person(role: Any = "user", mfa_at: int = 0) -> Principal:
    return Principal(
        kind="user",
        tenant_id=DEFAULT_TENANT_ID,
        user_id=UUID(int=1),
        role=role,
        session_id=UUID(int=2),
        mfa_at=mfa_at,
    )


def support() -> Principal:
    """Return support that acts in somebody's account, its own factor fresh."""
    return structs.replace(person(mfa_at=NOW), impersonator_id=UUID(int=3))


def other(kind: Any, *scopes: str) -> Principal:
    return Principal(kind=kind, tenant_id=DEFAULT_TENANT_ID, scopes=frozenset(scopes))


async def code(guard: Guard | AsyncGuard, principal: Principal | None) -> str:
    connection: Any = SimpleNamespace(scope={} if principal is None else {"user": principal})
    try:
        passed = guard(connection, None)  # type: ignore[arg-type]  # no guard looks at the handler
        if passed is not None:
            await passed
    except DomainError as error:
        return error.code
    return "passes"


STEP_UP = requires_step_up(clock=CLOCK)


@pytest.mark.parametrize(
    ("guard", "principal", "expected"),
    [
        (requires_user, None, "unauthorized"),
        (requires_user, anonymous(), "unauthorized"),
        (requires_user, person(), "passes"),
        (requires_user, other("api_key"), "wrong_credential"),
        (requires_role("admin"), None, "unauthorized"),
        (requires_role("admin"), person(), "forbidden"),
        (requires_role("admin"), person("moderator", NOW), "forbidden"),
        (requires_role("admin"), person("admin"), "mfa_required"),
        (requires_role("admin"), person("admin", 1), "passes"),
        (requires_role("moderator"), person("admin", 1), "passes"),
        (requires_role("moderator"), person("moderator"), "mfa_required"),
        (requires_role("moderator"), other("api_key", "admin"), "wrong_credential"),
        (requires_role("user"), person(), "passes"),
        (STEP_UP, person(), "step_up_required"),
        (STEP_UP, person(mfa_at=NOW - 901), "step_up_required"),
        (STEP_UP, person(mfa_at=NOW - 900), "passes"),
        (STEP_UP, person(mfa_at=NOW + 59), "passes"),
        (STEP_UP, person(mfa_at=NOW + 61), "step_up_required"),
        (STEP_UP, other("api_key"), "wrong_credential"),
        (STEP_UP, support(), "owner_required"),
        (requires_owner, support(), "owner_required"),
        (requires_owner, person(), "passes"),
        (requires_user, support(), "passes"),
        (requires_scope("renders:write"), other("api_key", "renders:read"), "scope_required"),
        (requires_scope("renders:write"), other("api_key", "renders:write"), "passes"),
        (requires_scope("renders:write"), person(), "passes"),
        (requires_scope("renders:write"), other("node", "renders:write"), "wrong_credential"),
        (requires_node, other("node"), "passes"),
        (requires_node, person("admin", NOW), "wrong_credential"),
        (requires_system, other("system"), "passes"),
        (requires_system, person("admin", NOW), "wrong_credential"),
    ],
)
async def test_guards(
    guard: Guard | AsyncGuard, principal: Principal | None, expected: str
) -> None:
    assert await code(guard, principal) == expected


class _Ledger:
    async def methods(self, tenant_id: UUID, user_id: UUID) -> list[str]:
        assert (tenant_id, user_id) == (DEFAULT_TENANT_ID, UUID(int=1))
        return ["passkey"]


async def _refused(runtime: Any) -> DomainError:
    app = SimpleNamespace(state=SimpleNamespace(runtime=runtime))
    connection: Any = SimpleNamespace(
        scope={"user": person(), "litestar_app": app} if runtime else {"user": person()}
    )
    with pytest.raises(DomainError) as caught:
        await STEP_UP(connection, None)  # type: ignore[arg-type]  # no guard looks at the handler
    return caught.value


async def test_step_up_names_the_callers_own_methods() -> None:
    security = SimpleNamespace(step_up_seconds=600)
    settings = SimpleNamespace(security=security)
    known = SimpleNamespace(settings=settings, port=lambda port: _Ledger())
    refused = await _refused(known)
    assert (refused.status, refused.code) == (403, "step_up_required")
    assert refused.extra == {"methods": ["passkey"], "max_age_seconds": 600}
    nobody_tells = SimpleNamespace(settings=settings, port=lambda port: None)
    for runtime in (nobody_tells, None):
        refused = await _refused(runtime)
        assert refused.extra is not None
        assert refused.extra["methods"] == ["totp", "passkey", "recovery_code"]
