"""What staff do to people: /v1/users/{id}/ban, /unban, /password, /moderator."""

from uuid import UUID

from litestar import Controller, post
from litestar.di import NamedDependency
from litestar.params import FromPath, JSONBody

from flatrender.errors import Invalid, NotFound
from flatrender.http.problems import problem_responses
from flatrender.security.errors import PermissionRequired, RateLimited, StepUpRequired
from flatrender.security.guards import requires_permission, requires_step_up
from flatrender.security.principal import Principal
from flatrender_identity.errors import (
    AccountNotActive,
    NoAddress,
    NotBanned,
    NotOneself,
    OutOfReach,
)
from flatrender_identity.permissions import MEMBERS_MANAGE, PEOPLE_BAN, PEOPLE_PASSWORD
from flatrender_identity.schemas_people import (
    BanBody,
    ModeratorBody,
    PersonPasswordBody,
    ReasonBody,
)
from flatrender_identity.services.bans import BanService
from flatrender_identity.services.members import MemberService
from flatrender_identity.services.person_password import PersonPasswordService


class UserActController(Controller):
    """Acts upon people of the caller's tenant; each wants a second factor of the last 15 minutes
    and a reason, which the audit log keeps."""

    path = "/v1/users/{user_id:uuid}"
    tags = ("identity",)

    @post(
        "/ban",
        status_code=204,
        operation_id="ban_user",
        summary="Ban somebody",
        guards=[requires_permission(PEOPLE_BAN), requires_step_up()],
        responses=problem_responses(
            NotFound, NotOneself, OutOfReach, Invalid, PermissionRequired, StepUpRequired
        ),
    )
    async def ban(
        self,
        user_id: FromPath[UUID],
        data: JSONBody[BanBody],
        principal: NamedDependency[Principal],
        bans: NamedDependency[BanService],
    ) -> None:
        """Shut somebody with a lower role out, for good or until a moment: their sessions, links,
        codes and API keys are dead from the next call on, and signing in answers as a wrong
        password does. They are told, with the reason. Banning again changes reason and end."""
        await bans.ban(
            principal, principal.tenant_id, user_id, reason=data.reason, until=data.until
        )

    @post(
        "/unban",
        status_code=204,
        operation_id="unban_user",
        summary="Lift a ban",
        guards=[requires_permission(PEOPLE_BAN), requires_step_up()],
        responses=problem_responses(
            NotFound, NotOneself, OutOfReach, NotBanned, PermissionRequired, StepUpRequired
        ),
    )
    async def unban(
        self,
        user_id: FromPath[UUID],
        data: JSONBody[ReasonBody],
        principal: NamedDependency[Principal],
        bans: NamedDependency[BanService],
    ) -> None:
        """Let somebody in again; they are told. Sessions and keys of before stay dead."""
        await bans.lift(principal, principal.tenant_id, user_id, reason=data.reason)

    @post(
        "/password",
        status_code=204,
        operation_id="give_user_password",
        summary="Send somebody a link to set a password",
        guards=[requires_permission(PEOPLE_PASSWORD), requires_step_up()],
        responses=problem_responses(
            NotFound,
            NotOneself,
            OutOfReach,
            AccountNotActive,
            NoAddress,
            Invalid,
            PermissionRequired,
            StepUpRequired,
            RateLimited,
        ),
    )
    async def password(
        self,
        user_id: FromPath[UUID],
        data: JSONBody[PersonPasswordBody],
        principal: NamedDependency[Principal],
        person_passwords: NamedDependency[PersonPasswordService],
    ) -> None:
        """Send the owner a link and code with which they set a new password. With `password` that
        one is set: sessions end, the owner is told, and signing in with it leads to choosing
        another one."""
        if data.password is None:
            await person_passwords.send_link(principal, user_id, reason=data.reason)
        else:
            await person_passwords.set(principal, user_id, data.password, reason=data.reason)

    @post(
        "/moderator",
        status_code=204,
        operation_id="change_moderator",
        summary="Make or unmake a moderator",
        guards=[requires_permission(MEMBERS_MANAGE), requires_step_up()],
        responses=problem_responses(
            NotFound, NotOneself, OutOfReach, PermissionRequired, StepUpRequired
        ),
    )
    async def moderator(
        self,
        user_id: FromPath[UUID],
        data: JSONBody[ModeratorBody],
        principal: NamedDependency[Principal],
        members: NamedDependency[MemberService],
    ) -> None:
        """Turn a customer into a moderator or back; never an administrator. Their sessions end and
        they are told."""
        await members.set_moderator(principal, user_id, data.moderator, reason=data.reason)
