"""A tenant's people as its staff see them: /v1/users."""

from datetime import datetime
from typing import Annotated
from uuid import UUID

from litestar import Controller, get
from litestar.di import NamedDependency, Provide
from litestar.params import FromPath, QueryParameter
from litestar.response import Stream

from flatrender.errors import Invalid, NotFound
from flatrender.http.pages import CursorPage, CursorParams, SortText
from flatrender.http.problems import problem_responses
from flatrender.http.tables import MEDIA_TYPES
from flatrender.security.errors import PermissionRequired, RateLimited, StepUpRequired
from flatrender.security.guards import requires_permission, requires_step_up
from flatrender.security.limits import define_limit
from flatrender.security.principal import Principal, Role
from flatrender_identity.errors import OutOfReach
from flatrender_identity.permissions import PEOPLE_EXPORT, PEOPLE_READ
from flatrender_identity.queries_people import (
    PeopleFilter,
    PersonLine,
    PipelineStatus,
    Status,
    Verified,
)
from flatrender_identity.services.people import PeopleService
from flatrender_identity.services.person_picture import PersonPicture, PictureService

#: By address of the caller: a file may be long.
_EXPORT = define_limit("people_export", 20, 600.0).name


async def provide_filter(
    q: Annotated[
        str | None,
        QueryParameter(
            max_length=200,
            description="Beginnings of words in names, company, addresses and external id; "
            "Persian and Arabic letters and digits alike.",
        ),
    ] = None,
    role: Annotated[Role | None, QueryParameter(description="Who has this role.")] = None,
    status: Annotated[Status | None, QueryParameter(description="Whose account is so.")] = None,
    verified: Annotated[
        Verified | None,
        QueryParameter(description="Which address is proven; `none`: neither is."),
    ] = None,
    created_from: Annotated[
        datetime | None, QueryParameter(description="Registered from then on, with a zone.")
    ] = None,
    created_to: Annotated[
        datetime | None, QueryParameter(description="Registered before then.")
    ] = None,
    plan: Annotated[
        str | None,
        QueryParameter(
            max_length=80, description="Code of the plan in force; `free`: those without, too."
        ),
    ] = None,
    tag: Annotated[
        str | None, QueryParameter(max_length=60, min_length=1, description="Who has this tag.")
    ] = None,
    pipeline_status: Annotated[
        PipelineStatus | None,
        QueryParameter(description="`New`: those of whom nobody wrote anything, too."),
    ] = None,
) -> PeopleFilter:
    """Read which people are wanted."""
    return PeopleFilter(
        q=q.strip() or None if q else None,
        role=role,
        status=status,
        verified=verified,
        created_from=created_from,
        created_to=created_to,
        plan=plan,
        tag=tag,
        pipeline_status=pipeline_status,
    )


class UserController(Controller):
    """People of the caller's tenant."""

    path = "/v1/users"
    tags = ("identity",)
    guards = (requires_permission(PEOPLE_READ),)
    dependencies = {"wanted": Provide(provide_filter)}  # noqa: RUF012 - Litestar's own notation

    @get(
        "/",
        operation_id="list_users",
        summary="People of the tenant",
        responses=problem_responses(Invalid, PermissionRequired),
    )
    async def listed(
        self,
        principal: NamedDependency[Principal],
        cursor_params: NamedDependency[CursorParams],
        wanted: NamedDependency[PeopleFilter],
        people: NamedDependency[PeopleService],
    ) -> CursorPage[PersonLine]:
        """Return people, the newest first; `sort` by `created_at`, `last_login_at` (who never
        did stands first) or `display_name`."""
        return await people.page(principal, cursor_params, wanted)

    @get(
        "/export",
        operation_id="export_users",
        summary="People of the tenant as a file",
        opt={"limit": _EXPORT},
        guards=[requires_permission(PEOPLE_EXPORT), requires_step_up()],
        responses=problem_responses(Invalid, PermissionRequired, StepUpRequired, RateLimited),
        media_type=MEDIA_TYPES["csv"],
    )
    async def export(
        self,
        principal: NamedDependency[Principal],
        wanted: NamedDependency[PeopleFilter],
        people: NamedDependency[PeopleService],
        sort: SortText = None,
    ) -> Stream:
        """Send all people that the filters choose as a CSV for spreadsheets, as they are read.
        Wants a second factor of the last 15 minutes; taking the list is in the audit log."""
        return Stream(
            await people.export(principal, sort, wanted),
            media_type=MEDIA_TYPES["csv"],
            headers={
                "content-disposition": 'attachment; filename="users.csv"',
                "cache-control": "no-store",
                "x-content-type-options": "nosniff",
            },
        )


class UserPictureController(Controller):
    """One person of the caller's tenant."""

    path = "/v1/users/{user_id:uuid}"
    tags = ("identity",)
    guards = (requires_permission(PEOPLE_READ),)

    @get(
        "/",
        operation_id="get_user",
        summary="One person's whole picture",
        responses=problem_responses(NotFound, OutOfReach, PermissionRequired),
    )
    async def one(
        self,
        user_id: FromPath[UUID],
        principal: NamedDependency[Principal],
        pictures: NamedDependency[PictureService],
    ) -> PersonPicture:
        """Return profile, addresses, how they sign in, live sessions, plan and balances, renders,
        projects, jobs and storage in numbers (`work`), CRM entry, ban and the last security
        events. Moderators see customers and themselves."""
        return await pictures.of(principal, user_id)
