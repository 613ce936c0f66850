"""Failure rules for operators: read, change by new versions, try a line.

A version that was in force stays as it was: attempts name the rule that judged them.
"""

from datetime import datetime
from typing import Annotated, Any, Literal
from uuid import UUID

import msgspec
from asyncpg import UniqueViolationError
from msgspec import Meta, Struct

from flatrender.clock import uuid7
from flatrender.errors import NotFound
from flatrender.plugin import PluginContext
from flatrender.security.principal import Principal
from flatrender_render.act_errors import RuleChanged, RulePattern, RuleUnfair
from flatrender_render.domain import BLAMED, ErrorClass
from flatrender_render.farm import audit, failures
from flatrender_render.farm.failures import RuleBook, Symptoms
from flatrender_render.farm.rules import MAX_PATTERN, DangerousPattern, check_pattern

Name = Annotated[str, Meta(min_length=1, max_length=60, pattern=r"^[a-z][a-z0-9_]*$(?!\n)")]
Glob = Annotated[
    str, Meta(min_length=1, max_length=60, pattern=r"^[a-z0-9_]*[*]?[a-z0-9_]*$(?!\n)")
]
Text = Annotated[str, Meta(min_length=1, max_length=500)]
ExitCode = Annotated[int, Meta(ge=-(2**31), le=2**31 - 1)]

_COLUMNS = """
id, code, version, active, builtin, priority, engine, stage, exit_codes, pattern, error_codes,
class AS error_class, action, back_off_seconds AS back_off, retryable, explanation_fa,
explanation_en, note, changed_by, created_at
"""
_LIST = f"SELECT {_COLUMNS} FROM render.failure_rules WHERE active ORDER BY priority, code"  # noqa: S608 - own columns
_VERSIONS = (
    f"SELECT {_COLUMNS} FROM render.failure_rules "  # noqa: S608 - own columns
    "WHERE code = $1 ORDER BY version DESC"
)
_NEWEST = "SELECT version FROM render.failure_rules WHERE code = $1 ORDER BY version DESC LIMIT 1"
_RETIRE = """
UPDATE render.failure_rules SET active = false WHERE code = $1 AND active RETURNING version
"""
_ONE_AT_A_TIME = "SELECT pg_advisory_xact_lock(hashtextextended('failure_rules', 0))"
_ADD = f"""
INSERT INTO render.failure_rules (id, code, version, priority, engine, stage, exit_codes, pattern,
    error_codes, class, action, back_off_seconds, retryable, explanation_fa, explanation_en, note,
    changed_by, request_id, ip)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18, $19)
RETURNING {_COLUMNS}
"""  # noqa: S608 - own columns


class RuleBody(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """A new version of a rule. ``version`` is the one it replaces, 0 for a new rule."""

    version: Annotated[int, Meta(ge=0)]
    priority: Annotated[int, Meta(ge=1, le=999)] = 100
    engine: Name | None = None
    stage: Name | None = None
    exit_codes: Annotated[list[ExitCode], Meta(max_length=40)] = []
    pattern: Annotated[str, Meta(min_length=1, max_length=MAX_PATTERN)] | None = None
    error_codes: Annotated[list[Glob], Meta(max_length=40)] = []
    error_class: ErrorClass
    action: Literal["elsewhere", "back_off", "blocklist", "quarantine", "fail_now"]
    back_off: Annotated[float, Meta(ge=0, le=3600)] = 5.0
    retryable: bool = True
    explanation_fa: Text
    explanation_en: Text
    note: Annotated[str, Meta(max_length=500)] = ""


class RuleView(Struct, frozen=True, kw_only=True):
    """A version of a rule."""

    id: UUID
    code: str
    version: int
    active: bool
    builtin: bool
    priority: int
    engine: str | None
    stage: str | None
    exit_codes: list[int]
    pattern: str | None
    error_codes: list[str]
    error_class: str
    action: str
    back_off: float
    retryable: bool
    explanation_fa: str
    explanation_en: str
    note: str
    changed_by: UUID | None
    created_at: datetime


class TryBody(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """A failure to judge; ``text`` is what the engine said."""

    text: Annotated[str, Meta(max_length=8000)] = ""
    code: Annotated[str, Meta(max_length=60)] = "internal"
    engine: Name | None = None
    stage: Name | None = None
    exit_code: int | None = None


class Judged(Struct, frozen=True, kw_only=True):
    """The rule that matched, and the line its pattern found."""

    rule: RuleView
    line: str | None


class RuleService:
    """Use cases of failure rules; they serve the whole farm."""

    def __init__(self, context: PluginContext) -> None:
        self._db = context.db

    async def rules(self) -> list[RuleView]:
        """Return the rules in force in the order in which they are tried."""
        return [_view(row) for row in await self._db.system_fetch("failure rules", _LIST)]

    async def versions(self, code: str) -> list[RuleView]:
        """Return every version of a rule, the newest first. Raises ``NotFound``."""
        rows = await self._db.system_fetch("versions of a failure rule", _VERSIONS, code)
        if not rows:
            raise NotFound()
        return [_view(row) for row in rows]

    async def change(self, principal: Principal, code: str, body: RuleBody) -> RuleView:
        """Put a new version into force. Raises :class:`RulePattern`, :class:`RuleUnfair` and
        :class:`RuleChanged`."""
        _check(body)
        async with self._db.system("change a failure rule") as work:
            await work.execute(_ONE_AT_A_TIME)
            newest = await work.fetchval(_NEWEST, code) or 0
            if newest != body.version:
                raise RuleChanged(version=newest)
            await work.execute(_RETIRE, code)
            try:
                row = await work.fetchrow(
                    _ADD, uuid7(), code, newest + 1, body.priority, body.engine, body.stage,
                    body.exit_codes, body.pattern, body.error_codes, str(body.error_class),
                    body.action, body.back_off, body.retryable, body.explanation_fa,
                    body.explanation_en, body.note, principal.user_id, *audit.origin(),
                )  # fmt: skip
            except UniqueViolationError:
                raise RuleChanged(version=newest) from None
        await failures.refresh(self._db, at_once=True)
        return _view(row)

    async def retire(self, code: str, *, by: UUID | None, reason: str = "") -> None:
        """Take a rule out of force; its versions stay. Raises ``NotFound``."""
        if code == "unknown":
            raise RuleUnfair()  # what nothing else matches must have an answer
        async with self._db.system("retire a failure rule") as work:
            await work.execute(_ONE_AT_A_TIME)
            version = await work.fetchval(_RETIRE, code)
            if version is None:
                raise NotFound()
            await audit.record(
                work, "rule.retire", "rule", code, by=by, name=code,
                before={"version": version}, reason=reason,
            )  # fmt: skip
        await failures.refresh(self._db, at_once=True)

    async def judge(self, body: TryBody) -> Judged:
        """Say which rule in force matches. Raises ``NotFound`` when none does."""
        views = {rule.code: rule for rule in await self.rules()}
        rows = await self._db.system_fetch("failure rules", failures.ACTIVE)
        found = RuleBook([failures.rule_of(row) for row in rows]).match(
            Symptoms(
                code=body.code,
                message=body.text,
                engine=body.engine,
                stage=body.stage,
                exit_code=body.exit_code,
            )
        )
        if found is None or found[0].code not in views:
            raise NotFound()
        return Judged(rule=views[found[0].code], line=found[1])


def _check(body: RuleBody) -> None:
    if body.pattern is not None:
        try:
            check_pattern(body.pattern)
        except DangerousPattern as error:
            raise RulePattern(why=str(error)) from None
    on_jobs = body.action in ("fail_now", "back_off")
    if (body.error_class in BLAMED and not on_jobs) or (
        body.error_class not in BLAMED and body.action == "fail_now"
    ):
        raise RuleUnfair()


def _view(row: Any) -> RuleView:
    return msgspec.convert(dict(row), RuleView, strict=False)
