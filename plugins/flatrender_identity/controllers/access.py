"""One-time links and codes: prove an address, recover an account, sign in without a password.

Asking answers the same for every address. Nothing here is a GET: a scanner that opens the links
of a mail uses none of them up.
"""

from typing import Any
from uuid import UUID

from litestar import Controller, Request, Response, post
from litestar.di import NamedDependency
from litestar.params import JSONBody

from flatrender.http.problems import problem_responses
from flatrender.security.errors import ForeignOrigin, RateLimited
from flatrender.security.limits import define_limit
from flatrender.security.principal import Principal
from flatrender_identity.addresses import read_address
from flatrender_identity.controllers.answers import SessionAnswers
from flatrender_identity.errors import AccountExists, AddressTaken, InvalidCode, InvalidLink
from flatrender_identity.schemas import Accepted, BrowserAnswer, MfaAnswer, TokenAnswer
from flatrender_identity.schemas_access import (
    AcceptBody,
    IdentifierBody,
    LinkSignInBody,
    ProofBody,
    RecoverBody,
    TokenBody,
)
from flatrender_identity.services.contacts import ContactService
from flatrender_identity.services.credentials import CredentialService
from flatrender_identity.services.deletion import DeletionService
from flatrender_identity.services.invitations import InvitationService
from flatrender_identity.services.links import LinkService
from flatrender_identity.services.one_time import OneTimeService, Proof, Purpose
from flatrender_identity.services.sign_in import SignInService

#: By address of the caller: asking for messages, and showing what came.
_ASK = define_limit("ask_message", 30, 3_600.0).name
_SHOW = define_limit("show_code", 60, 3_600.0).name

_ASKING = {"auth": "public", "limit": _ASK, "critical": True}
_SHOWING = {"auth": "public", "limit": _SHOW, "critical": True}


async def proof_of(
    one_time: OneTimeService,
    tenant_id: UUID,
    data: ProofBody | RecoverBody | LinkSignInBody,
    *purposes: Purpose,
) -> Proof:
    """Return the half-checked evidence of a request; a code is tried for the purpose that fits
    its address: the first for mail, the last for a mobile."""
    if data.token is not None:
        return await one_time.by_token(data.token, *purposes)
    address = read_address(data.identifier or "")
    mobile = address is not None and address.kind == "Mobile"
    return await one_time.by_code(
        tenant_id, address, data.code or "", purposes[-1] if mobile else purposes[0]
    )


class AccessController(Controller):
    """Links and codes."""

    path = "/v1/auth"
    tags = ("identity",)

    @post(
        "/verification",
        status_code=202,
        operation_id="ask_verification",
        summary="Send a verification code again",
        opt=_ASKING,
        responses=problem_responses(RateLimited),
    )
    async def ask_verification(
        self,
        data: JSONBody[IdentifierBody],
        principal: NamedDependency[Principal],
        links: NamedDependency[LinkService],
    ) -> Accepted:
        """Send the code again, if the address has an account that waits for it. The answer is the
        same for every address."""
        await links.ask(principal.tenant_id, read_address(data.identifier), "verify")
        return Accepted()

    @post(
        "/verification/complete",
        status_code=204,
        operation_id="verify_address",
        summary="Prove an address",
        opt=_SHOWING,
        responses=problem_responses(InvalidCode, InvalidLink, RateLimited),
    )
    async def verify(
        self,
        data: JSONBody[ProofBody],
        principal: NamedDependency[Principal],
        one_time: NamedDependency[OneTimeService],
        contacts: NamedDependency[ContactService],
    ) -> None:
        """Prove an address by the code or the link that was sent to it."""
        proof = await proof_of(one_time, principal.tenant_id, data, "verify_email", "verify_mobile")
        await contacts.verify(proof)

    @post(
        "/recovery",
        status_code=202,
        operation_id="ask_recovery",
        summary="Recover an account",
        opt=_ASKING,
        responses=problem_responses(RateLimited),
    )
    async def ask_recovery(
        self,
        data: JSONBody[IdentifierBody],
        principal: NamedDependency[Principal],
        links: NamedDependency[LinkService],
    ) -> Accepted:
        """Send a link and code that set a new password, at most five a day. The answer is the
        same for every address."""
        await links.ask(principal.tenant_id, read_address(data.identifier), "reset_password")
        return Accepted()

    @post(
        "/recovery/complete",
        status_code=204,
        operation_id="recover_account",
        summary="Set a new password by link or code",
        opt=_SHOWING,
        responses=problem_responses(InvalidCode, InvalidLink, RateLimited),
    )
    async def recover(
        self,
        data: JSONBody[RecoverBody],
        principal: NamedDependency[Principal],
        one_time: NamedDependency[OneTimeService],
        credentials: NamedDependency[CredentialService],
    ) -> None:
        """Set the password; every session ends and the owner is told. A password that is refused
        leaves the link good. A second factor stays as it is. Also takes the token that signing in
        with a password of support's answers."""
        proof = await proof_of(
            one_time,
            principal.tenant_id,
            data,
            "reset_password",
            "change_password",
            "reset_password",
        )
        await credentials.recover(proof, data.password)

    @post(
        "/magic-link",
        status_code=202,
        operation_id="ask_magic_link",
        summary="Sign in without a password",
        opt=_ASKING,
        responses=problem_responses(RateLimited),
    )
    async def ask_magic_link(
        self,
        data: JSONBody[IdentifierBody],
        principal: NamedDependency[Principal],
        links: NamedDependency[LinkService],
    ) -> Accepted:
        """Send a link and code that sign in. The answer is the same for every address."""
        await links.ask(principal.tenant_id, read_address(data.identifier), "magic_link")
        return Accepted()

    @post(
        "/magic-link/complete",
        status_code=200,
        operation_id="sign_in_by_link",
        summary="Sign in by link or code",
        opt=_SHOWING,
        responses=problem_responses(InvalidCode, InvalidLink, ForeignOrigin, RateLimited),
    )
    async def sign_in(
        self,
        data: JSONBody[LinkSignInBody],
        request: Request[Any, Any, Any],
        principal: NamedDependency[Principal],
        one_time: NamedDependency[OneTimeService],
        answers: NamedDependency[SessionAnswers],
        sign_ins: NamedDependency[SignInService],
    ) -> Response[TokenAnswer | BrowserAnswer | MfaAnswer]:
        """Open a session, or ask for the second factor where one is set up; `mode` as in logging
        in."""
        answers.check(request, data.mode)
        proof = await proof_of(one_time, principal.tenant_id, data, "magic_link")
        outcome = await sign_ins.by_link(
            proof,
            user_agent=request.headers.get("user-agent", ""),
            device=data.device,
            trusted=answers.trusted(request, data.mode, data.trusted_device_token),
        )
        return await answers.signed_in(outcome, data.mode)

    @post(
        "/address-change/complete",
        status_code=204,
        operation_id="complete_address_change",
        summary="Change an address by its link",
        opt=_SHOWING,
        responses=problem_responses(InvalidLink, AddressTaken, RateLimited),
    )
    async def change_address(
        self,
        data: JSONBody[TokenBody],
        principal: NamedDependency[Principal],
        one_time: NamedDependency[OneTimeService],
        contacts: NamedDependency[ContactService],
    ) -> None:
        """Use the link that a new address got; both the old and the new one are told."""
        await contacts.change(await one_time.by_token(data.token, "change_email", "change_mobile"))

    @post(
        "/invitations/accept",
        status_code=204,
        operation_id="accept_invitation",
        summary="Accept an invitation",
        opt=_SHOWING,
        responses=problem_responses(InvalidLink, AccountExists, RateLimited),
    )
    async def accept(
        self,
        data: JSONBody[AcceptBody],
        principal: NamedDependency[Principal],
        one_time: NamedDependency[OneTimeService],
        invitations: NamedDependency[InvitationService],
    ) -> None:
        """Make the invited account by the link of the mail. Who has one signs in and accepts by
        `/v1/me/invitations/accept`."""
        await invitations.accept(
            await one_time.by_token(data.token, "invitation"),
            password=data.password,
            display_name=data.display_name.strip(),
            locale=data.locale,
        )

    @post(
        "/deletion/cancel",
        status_code=204,
        operation_id="cancel_deletion_by_link",
        summary="Keep an account by its link",
        opt=_SHOWING,
        responses=problem_responses(InvalidLink, RateLimited),
    )
    async def cancel_deletion(
        self,
        data: JSONBody[TokenBody],
        principal: NamedDependency[Principal],
        one_time: NamedDependency[OneTimeService],
        deletion: NamedDependency[DeletionService],
    ) -> None:
        """Take the request to delete an account back, by the link of its mail."""
        await deletion.cancel_by(await one_time.by_token(data.token, "delete_account"))
