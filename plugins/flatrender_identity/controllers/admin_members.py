"""Who acts for the tenant: /v1/admin/members, and who is asked to: /v1/admin/invitations."""

from uuid import UUID

from litestar import Controller, delete, get, post, put
from litestar.di import NamedDependency
from litestar.params import FromPath, JSONBody

from flatrender.errors import NotFound
from flatrender.http.pages import Page, PageParams
from flatrender.http.problems import problem_responses
from flatrender.security.errors import PermissionRequired, RateLimited, StepUpRequired
from flatrender.security.guards import requires_permission, requires_step_up
from flatrender.security.principal import Principal
from flatrender_identity.errors import (
    AddressNotAllowed,
    AlreadyMember,
    LastAdmin,
    NotOneself,
    OutOfReach,
)
from flatrender_identity.permissions import MEMBERS_MANAGE, MEMBERS_READ
from flatrender_identity.queries_members import InvitationLine, MemberLine
from flatrender_identity.schemas_access import InviteBody, RoleBody, email_address
from flatrender_identity.services.invitations import InvitationService
from flatrender_identity.services.members import MemberService


class MemberController(Controller):
    """Members of the caller's tenant."""

    path = "/v1/admin/members"
    tags = ("identity",)

    @get(
        "/",
        operation_id="list_members",
        summary="Who acts for the tenant",
        guards=[requires_permission(MEMBERS_READ)],
        responses=problem_responses(PermissionRequired),
    )
    async def members(
        self,
        principal: NamedDependency[Principal],
        page_params: NamedDependency[PageParams],
        members: NamedDependency[MemberService],
    ) -> Page[MemberLine]:
        """Return administrators and moderators."""
        return await members.page(principal.tenant_id, page_params)

    @put(
        "/{user_id:uuid}/role",
        status_code=204,
        operation_id="change_member_role",
        summary="Change somebody's role",
        guards=[requires_permission(MEMBERS_MANAGE), requires_step_up()],
        responses=problem_responses(
            NotFound, NotOneself, OutOfReach, LastAdmin, StepUpRequired, PermissionRequired
        ),
    )
    async def change_role(
        self,
        user_id: FromPath[UUID],
        data: JSONBody[RoleBody],
        principal: NamedDependency[Principal],
        members: NamedDependency[MemberService],
    ) -> None:
        """Give somebody of the tenant a role; their sessions end and they are told. Moderators
        with the permission reach customers only and give no more than their own role. Wants a
        second factor of the last 15 minutes and a reason, which the audit log keeps."""
        await members.change_role(principal, user_id, data.role, reason=data.reason)


class InvitationController(Controller):
    """Invitations into the caller's tenant."""

    path = "/v1/admin/invitations"
    tags = ("identity",)

    @get(
        "/",
        operation_id="list_invitations",
        summary="Invitations",
        guards=[requires_permission(MEMBERS_READ)],
        responses=problem_responses(PermissionRequired),
    )
    async def invitations(
        self,
        principal: NamedDependency[Principal],
        page_params: NamedDependency[PageParams],
        invitations: NamedDependency[InvitationService],
    ) -> Page[InvitationLine]:
        """Return invitations, the newest first."""
        return await invitations.page(principal.tenant_id, page_params)

    @post(
        "/",
        operation_id="invite",
        summary="Invite somebody",
        opt={"idempotent": True},
        guards=[requires_permission(MEMBERS_MANAGE), requires_step_up()],
        responses=problem_responses(
            AddressNotAllowed,
            AlreadyMember,
            OutOfReach,
            StepUpRequired,
            PermissionRequired,
            RateLimited,
        ),
    )
    async def invite(
        self,
        data: JSONBody[InviteBody],
        principal: NamedDependency[Principal],
        invitations: NamedDependency[InvitationService],
    ) -> InvitationLine:
        """Send somebody a link that makes them a member with this role; it works once, for seven
        days. Wants a second factor of the last 15 minutes."""
        return await invitations.invite(
            principal, email_address(data.email), data.role, data.message
        )

    @post(
        "/{invitation_id:uuid}/resend",
        status_code=200,
        operation_id="resend_invitation",
        summary="Send an invitation again",
        guards=[requires_permission(MEMBERS_MANAGE)],
        responses=problem_responses(NotFound, OutOfReach, PermissionRequired, RateLimited),
    )
    async def resend(
        self,
        invitation_id: FromPath[UUID],
        principal: NamedDependency[Principal],
        invitations: NamedDependency[InvitationService],
    ) -> InvitationLine:
        """Send a new link for another seven days; the old one is void."""
        return await invitations.send_again(principal, invitation_id)

    @delete(
        "/{invitation_id:uuid}",
        operation_id="revoke_invitation",
        summary="Take an invitation back",
        guards=[requires_permission(MEMBERS_MANAGE)],
        responses=problem_responses(NotFound, OutOfReach, PermissionRequired),
    )
    async def revoke(
        self,
        invitation_id: FromPath[UUID],
        principal: NamedDependency[Principal],
        invitations: NamedDependency[InvitationService],
    ) -> None:
        """Take an open invitation back; its link no longer works."""
        await invitations.revoke(principal, invitation_id)
