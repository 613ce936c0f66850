"""Litestar guards: what a caller must be, beyond the credential that the route's ``opt`` names.

A guard lets pass by the principal and nothing else; what depends on rows is the service's
business. Only a refusal may ask a context, to say what would help.
"""

import time
from collections.abc import Awaitable, Callable
from typing import Any

from litestar.connection import ASGIConnection
from litestar.handlers import BaseRouteHandler

from flatrender.clock import Clock
from flatrender.errors import Forbidden
from flatrender.security.errors import (
    CredentialRequired,
    MfaRequired,
    OwnerRequired,
    PermissionRequired,
    ScopeRequired,
    StepUpRequired,
    WrongCredential,
)
from flatrender.security.permissions import Permission
from flatrender.security.ports import FactorLedger
from flatrender.security.principal import DEFAULT_TENANT_ID, Principal, Role

Connection = ASGIConnection[Any, Any, Any, Any]
Guard = Callable[[Connection, BaseRouteHandler], None]
AsyncGuard = Callable[[Connection, BaseRouteHandler], Awaitable[None]]

STEP_UP_SECONDS = 900
STEP_UP_METHODS = ["totp", "passkey", "recovery_code"]

_RANK: dict[Role, int] = {"user": 0, "moderator": 1, "admin": 2}


def principal_of(connection: Connection) -> Principal:
    """Return the authenticated caller; raises :class:`CredentialRequired` where there is none."""
    principal = connection.scope.get("user")
    if not isinstance(principal, Principal) or principal.kind == "anonymous":
        raise CredentialRequired()
    return principal


def requires_user(connection: Connection, _handler: BaseRouteHandler) -> None:
    """Let signed-in users pass."""
    if principal_of(connection).kind != "user":
        raise WrongCredential()


def requires_role(role: Role) -> Guard:
    """Return a guard for users of at least ``role``; staff only with a second factor in this
    session (403 ``mfa_required``)."""

    def guard(connection: Connection, _handler: BaseRouteHandler) -> None:
        principal = principal_of(connection)
        if principal.kind != "user":
            raise WrongCredential()
        if _RANK[principal.role] < _RANK[role]:
            raise Forbidden()
        if principal.lacks_mfa:
            raise MfaRequired()

    return guard


_admin = requires_role("admin")


def runs_the_deployment(connection: Connection, handler: BaseRouteHandler) -> None:
    """Let administrators of the default tenant pass, for what serves every tenant (the machines,
    the keys that sign): an administrator of one of them has no say."""
    _admin(connection, handler)
    if principal_of(connection).tenant_id != DEFAULT_TENANT_ID:
        raise WrongCredential()


def requires_permission(permission: Permission) -> Guard:
    """Return a guard for staff who hold ``permission``, with a second factor in this session:
    403 ``forbidden`` for customers, ``mfa_required``, ``permission_required``."""

    def guard(connection: Connection, _handler: BaseRouteHandler) -> None:
        principal = principal_of(connection)
        if principal.kind != "user":
            raise WrongCredential()
        if not principal.is_staff:
            raise Forbidden()
        if principal.lacks_mfa:
            raise MfaRequired()
        if not principal.may(permission.name):
            raise PermissionRequired(permission.name)

    return guard


def requires_owner(connection: Connection, _handler: BaseRouteHandler) -> None:
    """Refuse support that acts in the account: 403 ``owner_required``."""
    if principal_of(connection).impersonator_id is not None:
        raise OwnerRequired()


def owner_changes(connection: Connection, handler: BaseRouteHandler) -> None:
    """Let support read and refuse it every change: for what belongs to the account itself."""
    if connection.scope.get("method") not in ("GET", "HEAD"):
        requires_owner(connection, handler)


def requires_step_up(seconds: int | None = None, clock: Clock | None = None) -> AsyncGuard:
    """Return a guard for sensitive acts: the second factor is at most ``seconds`` old; without,
    as old as the deployment's ``step_up_seconds`` allows.

    403 ``step_up_required`` names what the caller has as second factors, where a context tells
    (:class:`~flatrender.security.ports.FactorLedger`), else all there are.
    """

    async def guard(connection: Connection, _handler: BaseRouteHandler) -> None:
        now = clock.now().timestamp() if clock else time.time()
        longest = _configured_step_up(connection) if seconds is None else seconds
        principal = principal_of(connection)
        try:
            check_step_up(principal, now, seconds=longest)
        except StepUpRequired:
            methods = await _methods_of(connection, principal)
            raise StepUpRequired(methods, longest) from None

    return guard


async def _methods_of(connection: Connection, principal: Principal) -> list[str]:
    """Return the caller's own second factors."""
    runtime = _runtime(connection)
    ledger = runtime.port(FactorLedger) if runtime else None
    if ledger is None or principal.user_id is None:
        return STEP_UP_METHODS
    found: list[str] = await ledger.methods(principal.tenant_id, principal.user_id)
    return found


def _runtime(connection: Connection) -> Any:
    """Return the runtime of the app that serves the call, None for an app without one."""
    return getattr(getattr(connection.scope.get("litestar_app"), "state", None), "runtime", None)


def _configured_step_up(connection: Connection) -> int:
    """Return the setting of the app that serves the call, the default for an app without one."""
    runtime = _runtime(connection)
    return int(runtime.settings.security.step_up_seconds) if runtime else STEP_UP_SECONDS


def check_step_up(principal: Principal, now: float, *, seconds: int = STEP_UP_SECONDS) -> None:
    """Raise :class:`StepUpRequired` unless the second factor is fresh at ``now`` (Unix), and
    :class:`OwnerRequired` where support acts."""
    if principal.kind != "user":
        raise WrongCredential()
    if principal.impersonator_id is not None:  # support's own factor proves nothing of the owner
        raise OwnerRequired()
    if not 0 <= now - principal.mfa_at + 60 <= seconds + 60:  # a minute of skew to the future
        raise StepUpRequired(STEP_UP_METHODS, seconds)


def requires_scope(scope: str) -> Guard:
    """Return a guard for API keys that hold ``scope``; users pass by their role, not by scopes."""

    def guard(connection: Connection, _handler: BaseRouteHandler) -> None:
        principal = principal_of(connection)
        if principal.kind == "api_key" and scope not in principal.scopes:
            raise ScopeRequired(scope=scope)
        if principal.kind not in ("api_key", "user"):
            raise WrongCredential()

    return guard


def requires_node(connection: Connection, _handler: BaseRouteHandler) -> None:
    """Let render nodes pass."""
    if principal_of(connection).kind != "node":
        raise WrongCredential()


def requires_system(connection: Connection, _handler: BaseRouteHandler) -> None:
    """Let the system itself pass (tasks, CLI); no HTTP credential makes one."""
    if principal_of(connection).kind != "system":
        raise WrongCredential()
