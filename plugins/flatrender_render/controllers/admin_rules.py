"""Failure rules for who runs the farm: /v1/admin/failure-rules."""

from litestar import Controller, delete, get, post, put
from litestar.di import NamedDependency
from litestar.params import FromPath, JSONBody
from msgspec import Struct

from flatrender.errors import NotFound
from flatrender.http.problems import problem_responses
from flatrender.security.errors import StepUpRequired
from flatrender.security.guards import requires_step_up, runs_the_deployment
from flatrender.security.principal import Principal
from flatrender_render.act_errors import RuleChanged, RulePattern, RuleUnfair
from flatrender_render.fleet_schemas import WhyQuery
from flatrender_render.services.rules import (
    Judged,
    Name,
    RuleBody,
    RuleService,
    RuleView,
    TryBody,
)


class RuleList(Struct, frozen=True, kw_only=True):
    """Rules in the order in which they are tried."""

    data: list[RuleView]


class AdminRuleController(Controller):
    """How failures are classified, and what follows."""

    path = "/v1/admin/failure-rules"
    tags = ("render",)
    guards = (runs_the_deployment,)

    @get("/", operation_id="list_failure_rules", summary="Failure rules in force")
    async def rules(self, rules: NamedDependency[RuleService]) -> RuleList:
        """Return the rules in force; the first that matches decides."""
        return RuleList(data=await rules.rules())

    @get(
        "/{code:str}",
        operation_id="failure_rule_versions",
        summary="Versions of a failure rule",
        responses=problem_responses(NotFound),
    )
    async def versions(self, code: FromPath[str], rules: NamedDependency[RuleService]) -> RuleList:
        """Return every version, the newest first."""
        return RuleList(data=await rules.versions(code))

    @put(
        "/{code:str}",
        operation_id="change_failure_rule",
        summary="Put a version of a failure rule into force",
        guards=[requires_step_up()],
        responses=problem_responses(RulePattern, RuleUnfair, RuleChanged, StepUpRequired),
    )
    async def change(
        self,
        code: FromPath[Name],
        data: JSONBody[RuleBody],
        principal: NamedDependency[Principal],
        rules: NamedDependency[RuleService],
    ) -> RuleView:
        """Make a new version; `version` in the body is the one it replaces (0: a new rule)."""
        return await rules.change(principal, code, data)

    @delete(
        "/{code:str}",
        operation_id="retire_failure_rule",
        summary="Take a failure rule out of force",
        guards=[requires_step_up()],
        responses=problem_responses(NotFound, RuleUnfair, StepUpRequired),
    )
    async def retire(
        self,
        code: FromPath[str],
        principal: NamedDependency[Principal],
        rules: NamedDependency[RuleService],
        reason: WhyQuery = "",
    ) -> None:
        """Nothing matches it any more; its versions stay."""
        await rules.retire(code, by=principal.user_id, reason=reason)

    @post(
        "/try",
        status_code=200,
        operation_id="try_failure_rules",
        summary="Which rule matches",
        responses=problem_responses(NotFound),
    )
    async def judge(self, data: JSONBody[TryBody], rules: NamedDependency[RuleService]) -> Judged:
        """Say which rule in force judges this failure, and by which line."""
        return await rules.judge(data)
