"""What a failure means: the rules of the farm, first match wins.

The rules in force lie in ``render.failure_rules``; a process keeps them in memory and looks for
newer ones when it classifies (:func:`refresh`). Before the first look the built-in set holds.
"""

import re
import time
from collections.abc import Iterable
from fnmatch import fnmatchcase
from typing import Any, Protocol

import structlog
from msgspec import Struct
from prometheus_client import Counter

from flatrender.observability.metrics import REGISTRY
from flatrender_render.domain import ErrorClass
from flatrender_render.farm.rules import (
    BUILTIN,
    MAX_LINE,
    MAX_TEXT,
    DangerousPattern,
    Rule,
    check_pattern,
)

log = structlog.get_logger(__name__)

REFRESH_SECONDS = 5.0

FAILURES = Counter(
    "flatrender_farm_failures_total",
    "Failed attempts by class of the failure.",
    ("class",),
    registry=REGISTRY,
)

ACTIVE = """
SELECT code, version, priority, engine, stage, exit_codes, pattern, error_codes,
       class AS error_class, action, back_off_seconds AS back_off, retryable,
       explanation_fa, explanation_en
FROM render.failure_rules WHERE active ORDER BY priority, code
"""


class Verdict(Struct, frozen=True, kw_only=True):
    """What happens to the frame job, and what its owner may read."""

    error_class: str
    code: str
    message: str
    fail_now: bool
    back_off: float
    retryable: bool
    explanation_fa: str
    explanation_en: str
    rule: str = ""
    action: str = "back_off"


class Symptoms(Struct, frozen=True, kw_only=True):
    """A failure as it was reported."""

    code: str
    message: str = ""
    engine: str | None = None
    stage: str | None = None
    exit_code: int | None = None


class RuleBook:
    """Rules in order, ready to match."""

    def __init__(self, rules: Iterable[Rule]) -> None:
        self.rules: list[tuple[Rule, re.Pattern[str] | None]] = []
        for rule in sorted(rules, key=lambda one: (one.priority, one.code)):
            try:
                pattern = None if rule.pattern is None else check_pattern(rule.pattern)
            except DangerousPattern as error:
                log.warning("failure_rule_left_out", rule=rule.code, error=str(error))
                continue
            self.rules.append((rule, pattern))

    def match(self, seen: Symptoms) -> tuple[Rule, str | None] | None:
        """Return the first rule that matches, with the line that its pattern found."""
        lines = [line[:MAX_LINE] for line in seen.message[:MAX_TEXT].splitlines()]
        for rule, pattern in self.rules:
            if not _applies(rule, seen):
                continue
            if pattern is None:
                return rule, None
            for line in lines:
                if pattern.search(line):
                    return rule, line
        return None


def _applies(rule: Rule, seen: Symptoms) -> bool:
    if rule.engine is not None and seen.engine is not None and rule.engine != seen.engine:
        return False
    if rule.engine is not None and seen.engine is None and not rule.pattern:
        return False  # exit codes say nothing without the engine whose they are
    if rule.stage is not None and rule.stage != seen.stage:
        return False
    if rule.exit_codes and seen.exit_code not in rule.exit_codes:
        return False
    return not rule.error_codes or any(fnmatchcase(seen.code, one) for one in rule.error_codes)


_FALLBACK = RuleBook([BUILTIN[-1]])


class _Kept:
    """The rules of this process."""

    def __init__(self) -> None:
        self.book = RuleBook(BUILTIN)
        self.looked_at = float("-inf")
        self.seen: list[Rule] = []


_kept = _Kept()


#: Verdicts that send work to another node before this one tries again.
ELSEWHERE = frozenset({"elsewhere", "blocklist", "quarantine"})


def classify(
    code: str,
    message: str,
    *,
    engine: str | None = None,
    stage: str | None = None,
    exit_code: int | None = None,
) -> Verdict:
    """Return what the rules in force say of a failure."""
    seen = Symptoms(code=code, message=message, engine=engine, stage=stage, exit_code=exit_code)
    found = _kept.book.match(seen) or _FALLBACK.match(seen)
    if found is None:
        raise LookupError("the last rule matches everything")
    return verdict_of(found[0], seen)


def verdict_of(rule: Rule, seen: Symptoms) -> Verdict:
    """Return what a rule says of a failure."""
    return Verdict(
        error_class=str(rule.error_class),
        code=seen.code,
        message=seen.message[:2000],
        fail_now=rule.action == "fail_now",
        back_off=rule.back_off,
        retryable=rule.retryable,
        explanation_fa=rule.explanation_fa,
        explanation_en=rule.explanation_en,
        rule=rule.code,
        action=rule.action,
    )


class _Rows(Protocol):
    """Whatever runs a cross-tenant statement: a context's database."""

    async def system_fetch(self, reason: str, sql: str, *args: object) -> list[Any]: ...


async def refresh(database: _Rows, *, at_once: bool = False) -> None:
    """Take over rules that were changed; asks the database at most every few seconds.

    Never raises: while the database cannot be asked, the rules known so far hold.
    """
    moment = time.monotonic()
    if not at_once and moment - _kept.looked_at < REFRESH_SECONDS:
        return
    _kept.looked_at = moment
    try:
        rules = [rule_of(row) for row in await database.system_fetch("failure rules", ACTIVE)]
    except Exception as error:  # noqa: BLE001 - a failure is classified even now
        log.warning("failure_rules_not_read", error=repr(error))
        return
    if rules and rules != _kept.seen:
        _kept.book, _kept.seen = RuleBook(rules), rules


def rule_of(row: Any) -> Rule:
    """Return a row of the table as a rule."""
    fields = dict(row)
    return Rule(
        **{
            **fields,
            "error_class": ErrorClass(fields["error_class"]),
            "exit_codes": tuple(fields["exit_codes"]),
            "error_codes": tuple(fields["error_codes"]),
        }
    )
