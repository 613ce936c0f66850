"""The caller's own password and addresses: /v1/me/{password,email,mobile}."""

from typing import Any

from litestar import Controller, Request, Response, post
from litestar.di import NamedDependency
from litestar.params import JSONBody

from flatrender.http.problems import problem_responses
from flatrender.security.errors import RateLimited, StepUpRequired
from flatrender.security.guards import owner_changes, requires_user
from flatrender.security.principal import Principal
from flatrender_identity.controllers.answers import SessionAnswers
from flatrender_identity.controllers.me import own_id
from flatrender_identity.errors import (
    AddressNotAllowed,
    AddressTaken,
    InvalidCode,
    InvalidLink,
    ProofRequired,
)
from flatrender_identity.queries import Me
from flatrender_identity.schemas import Accepted, BrowserAnswer, TokenAnswer
from flatrender_identity.schemas_access import (
    ChangeEmailBody,
    ChangeMobileBody,
    ChangePasswordBody,
    ConfirmEmailBody,
    ConfirmMobileBody,
    TokenBody,
    email_address,
    mobile_address,
)
from flatrender_identity.services.accounts import AccountService
from flatrender_identity.services.contacts import ContactService
from flatrender_identity.services.credentials import CredentialService
from flatrender_identity.services.invitations import InvitationService
from flatrender_identity.services.one_time import OneTimeService


class MySecurityController(Controller):
    """What protects the caller's account."""

    path = "/v1/me"
    tags = ("identity",)
    guards = (requires_user, owner_changes)

    @post(
        "/password",
        status_code=200,
        operation_id="change_my_password",
        summary="Change my password",
        opt={"critical": True},
        responses=problem_responses(ProofRequired, StepUpRequired, RateLimited),
    )
    async def change_password(
        self,
        data: JSONBody[ChangePasswordBody],
        request: Request[Any, Any, Any],
        principal: NamedDependency[Principal],
        answers: NamedDependency[SessionAnswers],
        credentials: NamedDependency[CredentialService],
    ) -> Response[TokenAnswer | BrowserAnswer]:
        """Set a new password. Every session ends; the answer holds the tokens of a new one. Wants
        the present password, or a fresh second factor where one is set up."""
        tokens = await credentials.change_password(
            principal,
            current=data.current_password,
            new=data.new_password,
            user_agent=request.headers.get("user-agent", ""),
        )
        return await answers.replaced(request, tokens)

    @post(
        "/email",
        status_code=202,
        operation_id="change_my_email",
        summary="Change my e-mail",
        opt={"critical": True},
        responses=problem_responses(ProofRequired, StepUpRequired, AddressNotAllowed, RateLimited),
    )
    async def change_email(
        self,
        data: JSONBody[ChangeEmailBody],
        principal: NamedDependency[Principal],
        contacts: NamedDependency[ContactService],
    ) -> Accepted:
        """Send a code to the new address; the old one stays until it comes back."""
        await contacts.ask_change(
            principal, email_address(data.email), password=data.current_password
        )
        return Accepted()

    @post(
        "/email/confirm",
        status_code=200,
        operation_id="confirm_my_email",
        summary="Confirm my new e-mail",
        opt={"critical": True},
        responses=problem_responses(InvalidCode, AddressTaken, RateLimited),
    )
    async def confirm_email(
        self,
        data: JSONBody[ConfirmEmailBody],
        principal: NamedDependency[Principal],
        accounts: NamedDependency[AccountService],
        one_time: NamedDependency[OneTimeService],
        contacts: NamedDependency[ContactService],
    ) -> Me:
        """Show the code that the new address got. Both addresses are told."""
        proof = await one_time.by_code(
            principal.tenant_id,
            email_address(data.email),
            data.code,
            "change_email",
            user_id=own_id(principal),
        )
        return await accounts.me(principal.tenant_id, await contacts.change(proof))

    @post(
        "/mobile",
        status_code=202,
        operation_id="change_my_mobile",
        summary="Change my mobile",
        opt={"critical": True},
        responses=problem_responses(ProofRequired, StepUpRequired, RateLimited),
    )
    async def change_mobile(
        self,
        data: JSONBody[ChangeMobileBody],
        principal: NamedDependency[Principal],
        contacts: NamedDependency[ContactService],
    ) -> Accepted:
        """Send a code to the new number by SMS; the old one stays until it comes back."""
        await contacts.ask_change(
            principal, mobile_address(data.mobile), password=data.current_password
        )
        return Accepted()

    @post(
        "/mobile/confirm",
        status_code=200,
        operation_id="confirm_my_mobile",
        summary="Confirm my new mobile",
        opt={"critical": True},
        responses=problem_responses(InvalidCode, AddressTaken, RateLimited),
    )
    async def confirm_mobile(
        self,
        data: JSONBody[ConfirmMobileBody],
        principal: NamedDependency[Principal],
        accounts: NamedDependency[AccountService],
        one_time: NamedDependency[OneTimeService],
        contacts: NamedDependency[ContactService],
    ) -> Me:
        """Show the code that the new number got. Both numbers and the mailbox are told."""
        proof = await one_time.by_code(
            principal.tenant_id,
            mobile_address(data.mobile),
            data.code,
            "change_mobile",
            user_id=own_id(principal),
        )
        return await accounts.me(principal.tenant_id, await contacts.change(proof))

    @post(
        "/invitations/accept",
        status_code=204,
        operation_id="accept_invitation_as_me",
        summary="Accept an invitation with my account",
        opt={"critical": True},
        responses=problem_responses(InvalidLink),
    )
    async def accept_invitation(
        self,
        data: JSONBody[TokenBody],
        principal: NamedDependency[Principal],
        one_time: NamedDependency[OneTimeService],
        invitations: NamedDependency[InvitationService],
    ) -> None:
        """Take the role of an invitation that was sent to the caller's address; every session
        ends, and signing in again has the role."""
        await invitations.accept_as(principal, await one_time.by_token(data.token, "invitation"))
