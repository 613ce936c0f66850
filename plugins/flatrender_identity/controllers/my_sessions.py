"""The caller's own sessions and security log: /v1/me/sessions, /v1/me/security-log."""

from uuid import UUID

from litestar import Controller, delete, get, patch, post
from litestar.di import NamedDependency
from litestar.params import FromPath, JSONBody

from flatrender.errors import NotFound
from flatrender.http.pages import Page, PageParams
from flatrender.http.problems import problem_responses
from flatrender.security.guards import owner_changes, requires_user
from flatrender.security.principal import Principal
from flatrender_identity.controllers.me import own_id
from flatrender_identity.queries import SecurityLine, SessionLine
from flatrender_identity.schemas_access import EndedAnswer, NameSessionBody
from flatrender_identity.services.listing import ListingService
from flatrender_identity.services.session_acts import SessionActService
from flatrender_identity.services.sessions import SessionService


class MySessionController(Controller):
    """Where the caller is signed in, and what happened to the account."""

    path = "/v1/me"
    tags = ("identity",)
    guards = (requires_user, owner_changes)

    @get(
        "/sessions",
        operation_id="list_my_sessions",
        summary="My sessions",
        opt={"mfa": "exempt"},
    )
    async def sessions(
        self,
        principal: NamedDependency[Principal],
        page_params: NamedDependency[PageParams],
        listing: NamedDependency[ListingService],
    ) -> Page[SessionLine]:
        """Return live sessions, the latest used first."""
        return await listing.sessions(
            principal.tenant_id, own_id(principal), page_params, current=principal.session_id
        )

    @patch(
        "/sessions/{session_id:uuid}",
        operation_id="name_my_session",
        summary="Name one of my sessions",
        responses=problem_responses(NotFound),
    )
    async def name_session(
        self,
        session_id: FromPath[UUID],
        data: JSONBody[NameSessionBody],
        principal: NamedDependency[Principal],
        acts: NamedDependency[SessionActService],
    ) -> None:
        """Give a session the name of its device."""
        await acts.name(principal, session_id, data.device_name.strip())

    @delete(
        "/sessions/{session_id:uuid}",
        operation_id="end_my_session",
        summary="End one of my sessions",
        opt={"mfa": "exempt"},
        responses=problem_responses(NotFound),
    )
    async def end_session(
        self,
        session_id: FromPath[UUID],
        principal: NamedDependency[Principal],
        sessions: NamedDependency[SessionService],
    ) -> None:
        """End a session; its tokens are refused from the next call on."""
        await sessions.end(principal, session_id, reason="ended by its owner")

    @post(
        "/sessions/end-others",
        status_code=200,
        operation_id="end_my_other_sessions",
        summary="End my other sessions",
        opt={"mfa": "exempt"},
    )
    async def end_others(
        self,
        principal: NamedDependency[Principal],
        acts: NamedDependency[SessionActService],
    ) -> EndedAnswer:
        """End every session but this one; their tokens are refused from the next call on."""
        return EndedAnswer(ended=await acts.end_others(principal))

    @delete(
        "/sessions",
        operation_id="end_all_my_sessions",
        summary="End all my sessions",
        opt={"mfa": "exempt"},
    )
    async def end_all(
        self,
        principal: NamedDependency[Principal],
        acts: NamedDependency[SessionActService],
    ) -> None:
        """End every session, this one too."""
        await acts.end_everywhere(principal)

    @get(
        "/security-log",
        operation_id="list_my_security_log",
        summary="What happened to my account",
        opt={"mfa": "exempt"},
    )
    async def security_log(
        self,
        principal: NamedDependency[Principal],
        page_params: NamedDependency[PageParams],
        listing: NamedDependency[ListingService],
    ) -> Page[SecurityLine]:
        """Return sign-ins, ended sessions and changes of what protects the account, the latest
        first."""
        return await listing.security_log(principal.tenant_id, own_id(principal), page_params)
