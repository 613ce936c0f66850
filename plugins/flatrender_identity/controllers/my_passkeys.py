"""The caller's own passkeys: /v1/me/mfa/passkeys."""

from typing import Any
from uuid import UUID

from litestar import Controller, Request, Response, delete, get, patch, post
from litestar.di import NamedDependency
from litestar.params import FromPath, JSONBody

from flatrender.errors import NotFound
from flatrender.http.pages import Page, PageParams
from flatrender.http.problems import problem_responses
from flatrender.security.errors import RateLimited, StepUpRequired
from flatrender.security.guards import owner_changes, requires_step_up, requires_user
from flatrender.security.principal import Principal
from flatrender_identity.controllers.answers import SessionAnswers
from flatrender_identity.controllers.me import own_id
from flatrender_identity.errors import LastWayIn, ProofRequired
from flatrender_identity.errors_mfa import InvalidPasskey, PasskeyExists, TooManyPasskeys
from flatrender_identity.schemas_mfa import (
    BeginPasskeyBody,
    BrowserPasskeyAnswer,
    NamePasskeyBody,
    NewPasskeyBody,
    PasskeyAnswer,
)
from flatrender_identity.services.passkeys import BegunPasskey, PasskeyLine, PasskeyService


class MyPasskeyController(Controller):
    """Passkeys of the caller."""

    path = "/v1/me/mfa/passkeys"
    tags = ("identity",)
    guards = (requires_user, owner_changes)

    @get("/", operation_id="list_my_passkeys", summary="My passkeys", opt={"mfa": "exempt"})
    async def read(
        self,
        principal: NamedDependency[Principal],
        page_params: NamedDependency[PageParams],
        passkeys: NamedDependency[PasskeyService],
    ) -> Page[PasskeyLine]:
        """Return the caller's passkeys, the newest first."""
        return await passkeys.page(principal.tenant_id, own_id(principal), page_params)

    @post(
        "/options",
        status_code=200,
        operation_id="begin_passkey",
        summary="Begin to register a passkey",
        opt={"mfa": "exempt", "critical": True},
        responses=problem_responses(ProofRequired, StepUpRequired, RateLimited),
    )
    async def begin(
        self,
        data: JSONBody[BeginPasskeyBody],
        principal: NamedDependency[Principal],
        passkeys: NamedDependency[PasskeyService],
    ) -> BegunPasskey:
        """Return the options for `navigator.credentials.create`, good for five minutes in this
        session. Wants the present password, or a fresh second factor where one is set up."""
        return await passkeys.begin(principal, password=data.current_password)

    @post(
        "/",
        operation_id="register_passkey",
        summary="Register a passkey",
        opt={"mfa": "exempt", "critical": True},
        responses=problem_responses(InvalidPasskey, PasskeyExists, TooManyPasskeys, StepUpRequired),
    )
    async def confirm(
        self,
        data: JSONBody[NewPasskeyBody],
        request: Request[Any, Any, Any],
        principal: NamedDependency[Principal],
        answers: NamedDependency[SessionAnswers],
        passkeys: NamedDependency[PasskeyService],
    ) -> Response[PasskeyAnswer | BrowserPasskeyAnswer]:
        """Register what the browser has made (`credential.toJSON()`); it counts from now on, as a
        second factor and to sign in with. The owner is told."""
        made = await passkeys.confirm(
            principal, data.challenge_id, data.credential, name=data.name.strip()
        )
        return await answers.passkey(request, made)

    @patch(
        "/{passkey_id:uuid}",
        operation_id="name_passkey",
        summary="Name a passkey",
        responses=problem_responses(NotFound),
    )
    async def name(
        self,
        passkey_id: FromPath[UUID],
        data: JSONBody[NamePasskeyBody],
        principal: NamedDependency[Principal],
        passkeys: NamedDependency[PasskeyService],
    ) -> None:
        """Give one of the caller's passkeys another name."""
        await passkeys.name(principal, passkey_id, data.name.strip())

    @delete(
        "/{passkey_id:uuid}",
        operation_id="remove_passkey",
        summary="Remove a passkey",
        guards=[requires_step_up()],
        responses=problem_responses(NotFound, LastWayIn, StepUpRequired),
    )
    async def remove(
        self,
        passkey_id: FromPath[UUID],
        principal: NamedDependency[Principal],
        passkeys: NamedDependency[PasskeyService],
    ) -> None:
        """Remove one of the caller's passkeys; the owner is told. The other sessions end, and
        this one too where no second factor is left. Wants a second factor of the last 15
        minutes, and another way in (409 `last_way_in`)."""
        await passkeys.remove(principal, passkey_id)
