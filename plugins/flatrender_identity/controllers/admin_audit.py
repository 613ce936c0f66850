"""What was done by whom: /v1/admin/audit."""

from datetime import datetime
from typing import Annotated, Literal
from uuid import UUID

from litestar import Controller, get
from litestar.di import NamedDependency, Provide
from litestar.params import FromPath, QueryParameter

from flatrender.errors import NotFound
from flatrender.http.pages import CursorPage, CursorParams
from flatrender.http.problems import problem_responses
from flatrender.http.tables import TableAnswer, TableFormat
from flatrender.security.errors import PermissionRequired, RateLimited, StepUpRequired
from flatrender.security.guards import requires_permission, requires_step_up
from flatrender.security.limits import define_limit
from flatrender.security.principal import Principal
from flatrender_identity.permissions import AUDIT_EXPORT, AUDIT_READ
from flatrender_identity.queries_audit import AuditFilter, AuditLine
from flatrender_identity.services.audit_views import AuditEntry, AuditViews

#: By address of the caller: a file may be long.
_EXPORT = define_limit("audit_export", 20, 600.0).name

ActorKind = Literal["user", "api_key", "node", "system", "cli"]
_Word = Annotated[str | None, QueryParameter(max_length=100, min_length=1)]


async def provide_filter(
    actor: Annotated[
        UUID | None, QueryParameter(description="Who acted, in their own account or as support.")
    ] = None,
    actor_kind: Annotated[
        ActorKind | None, QueryParameter(description="By which kind of credential.")
    ] = None,
    action: Annotated[
        str | None,
        QueryParameter(
            max_length=100,
            pattern=r"^[a-z_]+(\.[a-z_]+)*$",
            description="A whole one (`user.role.change`) or its beginning (`user`).",
        ),
    ] = None,
    target_type: _Word = None,
    target_id: _Word = None,
    request_id: _Word = None,
    session: Annotated[UUID | None, QueryParameter(description="The session of the act.")] = None,
    address: Annotated[
        str | None,
        QueryParameter(max_length=50, description="An IP address, or a network (`10.2.0.0/16`)."),
    ] = None,
    since: Annotated[
        datetime | None, QueryParameter(description="From this moment on, with a zone.")
    ] = None,
    until: Annotated[datetime | None, QueryParameter(description="Before this moment.")] = None,
    q: Annotated[
        str | None,
        QueryParameter(
            max_length=200,
            description="Words of action, target, reason, values and user agent, folded.",
        ),
    ] = None,
) -> AuditFilter:
    """Read which lines are wanted."""
    return AuditFilter(
        actor=actor,
        actor_kind=actor_kind,
        action=action,
        target_type=target_type,
        target_id=target_id,
        request_id=request_id,
        session=session,
        address=address,
        since=since,
        until=until,
        q=q or None,
    )


class AuditController(Controller):
    """The audit log of the caller's tenant."""

    path = "/v1/admin/audit"
    tags = ("identity",)
    guards = (requires_permission(AUDIT_READ),)
    dependencies = {"wanted": Provide(provide_filter)}  # noqa: RUF012 - Litestar's own notation

    @get(
        "/",
        operation_id="list_audit",
        summary="What was done by whom",
        responses=problem_responses(PermissionRequired),
    )
    async def listed(
        self,
        principal: NamedDependency[Principal],
        cursor_params: NamedDependency[CursorParams],
        wanted: NamedDependency[AuditFilter],
        audit_views: NamedDependency[AuditViews],
    ) -> CursorPage[AuditLine]:
        """Return acts of staff, of the operator, of the platform itself and of support in
        somebody's account, the latest first (`sort=created_at`: the first)."""
        return await audit_views.page(principal, cursor_params, wanted)

    @get(
        "/export",
        operation_id="export_audit",
        summary="The audit log as a file",
        opt={"limit": _EXPORT},
        guards=[requires_permission(AUDIT_EXPORT), requires_step_up()],
        responses=problem_responses(PermissionRequired, StepUpRequired, RateLimited),
        media_type="application/octet-stream",
    )
    async def export(
        self,
        principal: NamedDependency[Principal],
        wanted: NamedDependency[AuditFilter],
        audit_views: NamedDependency[AuditViews],
        file: Annotated[
            TableFormat,
            QueryParameter(name="format", description="`csv`, or `jsonl`: one object a line."),
        ] = "csv",
    ) -> TableAnswer:
        """Send all lines that the filters choose, the latest first, as they are read. Wants a
        second factor of the last 15 minutes; taking them is itself in the log."""
        return TableAnswer(await audit_views.export(principal, wanted, file), file, name="audit")

    @get(
        "/{line_id:uuid}",
        operation_id="get_audit",
        summary="One act and what it changed",
        responses=problem_responses(PermissionRequired, NotFound),
    )
    async def one(
        self,
        line_id: FromPath[UUID],
        principal: NamedDependency[Principal],
        audit_views: NamedDependency[AuditViews],
    ) -> AuditEntry:
        """Return one line; `changes` says value by value what was and what is."""
        return await audit_views.one(principal, line_id)
