"""The caller's own account: /v1/me and its second factor; plans on sale."""

from typing import Any
from uuid import UUID

from litestar import Controller, Request, Response, delete, get, patch, post
from litestar.di import NamedDependency
from litestar.params import FromPath, JSONBody
from msgspec import UNSET

from flatrender.contracts.identity import RenderLimits
from flatrender.errors import NotFound
from flatrender.http.pages import Page, PageParams
from flatrender.http.problems import problem_responses
from flatrender.security.errors import StepUpRequired
from flatrender.security.guards import requires_step_up, requires_user
from flatrender.security.principal import Principal
from flatrender_identity.controllers.answers import SessionAnswers
from flatrender_identity.errors import FactorExists, InvalidMfaCode, MfaLocked
from flatrender_identity.queries import Me, PlanOffer
from flatrender_identity.schemas import (
    BrowserAnswer,
    BrowserConfirmedAnswer,
    ChangeMeBody,
    CodeBody,
    ConfirmedAnswer,
    EnrolmentAnswer,
    RecoveryCodes,
    TokenAnswer,
)
from flatrender_identity.services.accounts import AccountService
from flatrender_identity.services.entitlements import EntitlementService
from flatrender_identity.services.listing import ListingService
from flatrender_identity.services.mfa import MfaService


def own_id(principal: Principal) -> UUID:
    """Return the caller's user id; guards have let users pass only."""
    if principal.user_id is None:
        raise NotFound()
    return principal.user_id


class MeController(Controller):
    """The caller's account."""

    path = "/v1/me"
    tags = ("identity",)
    guards = (requires_user,)

    @get("/", operation_id="get_me", summary="Who am I", opt={"mfa": "exempt"})
    async def read(
        self, principal: NamedDependency[Principal], accounts: NamedDependency[AccountService]
    ) -> Me:
        """Return the caller's account with its plan."""
        return await accounts.me(principal.tenant_id, own_id(principal))

    @patch("/", operation_id="change_me", summary="Change my account")
    async def change(
        self,
        data: JSONBody[ChangeMeBody],
        principal: NamedDependency[Principal],
        accounts: NamedDependency[AccountService],
    ) -> Me:
        """Change name, language or time zone; absent fields stay."""
        await accounts.change(
            principal.tenant_id,
            own_id(principal),
            display_name=None if data.display_name is UNSET else data.display_name,
            locale=None if data.locale is UNSET else data.locale,
            timezone=None if data.timezone is UNSET else data.timezone,
        )
        return await accounts.me(principal.tenant_id, own_id(principal))

    @get("/limits", operation_id="get_my_limits", summary="What I may render")
    async def limits(
        self,
        principal: NamedDependency[Principal],
        entitlements: NamedDependency[EntitlementService],
    ) -> RenderLimits:
        """Return the tiers of the caller's plan, the watermark and what is left of today."""
        return await entitlements.limits(principal.tenant_id, own_id(principal))

    @post(
        "/mfa/totp",
        operation_id="enrol_totp",
        summary="Set up an authenticator app",
        opt={"mfa": "exempt"},
        responses=problem_responses(FactorExists),
    )
    async def enrol(
        self,
        principal: NamedDependency[Principal],
        accounts: NamedDependency[AccountService],
        mfa: NamedDependency[MfaService],
    ) -> EnrolmentAnswer:
        """Begin a TOTP factor. It counts once it is confirmed with a code."""
        me = await accounts.me(principal.tenant_id, own_id(principal))
        made = await mfa.enrol_totp(principal, me.email or str(me.id))
        return EnrolmentAnswer(
            factor_id=made.factor_id,
            secret=made.secret,
            otpauth_uri=made.otpauth_uri,
            qr_svg=made.qr_svg,
        )

    @post(
        "/mfa/totp/{factor_id:uuid}/confirm",
        status_code=200,
        operation_id="confirm_totp",
        summary="Confirm the authenticator app",
        opt={"mfa": "exempt", "critical": True},
        responses=problem_responses(NotFound, FactorExists, InvalidMfaCode, MfaLocked),
    )
    async def confirm(
        self,
        factor_id: FromPath[UUID],
        data: JSONBody[CodeBody],
        request: Request[Any, Any, Any],
        principal: NamedDependency[Principal],
        answers: NamedDependency[SessionAnswers],
        mfa: NamedDependency[MfaService],
    ) -> Response[ConfirmedAnswer | BrowserConfirmedAnswer]:
        """Confirm by a first code; returns ten recovery codes and tokens with the factor in."""
        codes, tokens = await mfa.confirm_totp(principal, factor_id, data.code)
        return await answers.confirmed(request, tokens, codes)

    @post(
        "/mfa/step-up",
        status_code=200,
        operation_id="step_up",
        summary="Show the second factor again",
        opt={"mfa": "exempt", "critical": True},
        responses=problem_responses(InvalidMfaCode, MfaLocked),
    )
    async def step_up(
        self,
        data: JSONBody[CodeBody],
        request: Request[Any, Any, Any],
        principal: NamedDependency[Principal],
        answers: NamedDependency[SessionAnswers],
        mfa: NamedDependency[MfaService],
    ) -> Response[TokenAnswer | BrowserAnswer]:
        """Freshen the second factor of this session, for sensitive acts."""
        tokens = await mfa.step_up(principal, data.code)
        return await answers.replaced(request, tokens)

    @delete(
        "/mfa/totp",
        operation_id="remove_totp",
        summary="Remove the authenticator app",
        guards=[requires_step_up()],
        responses=problem_responses(NotFound, StepUpRequired),
    )
    async def remove_totp(
        self, principal: NamedDependency[Principal], mfa: NamedDependency[MfaService]
    ) -> None:
        """Remove the app and its recovery codes. Wants a second factor of the last 15 minutes;
        every session ends, and staff set up a new factor when they sign in again."""
        await mfa.remove_totp(principal)

    @post(
        "/mfa/recovery-codes",
        operation_id="renew_recovery_codes",
        summary="New recovery codes",
        guards=[requires_step_up()],
        responses=problem_responses(NotFound, StepUpRequired),
    )
    async def renew_codes(
        self, principal: NamedDependency[Principal], mfa: NamedDependency[MfaService]
    ) -> RecoveryCodes:
        """Return ten new recovery codes, shown once; the old ones no longer work. Wants a second
        factor of the last 15 minutes."""
        return RecoveryCodes(recovery_codes=await mfa.renew_codes(principal))


class PlanController(Controller):
    """Plans on sale."""

    path = "/v1/plans"
    tags = ("identity",)

    @get("/", operation_id="list_plans", summary="Plans on sale", opt={"auth": "optional"})
    async def plans(
        self,
        principal: NamedDependency[Principal],
        page_params: NamedDependency[PageParams],
        listing: NamedDependency[ListingService],
    ) -> Page[PlanOffer]:
        """Return the plans of the tenant, cheapest first."""
        return await listing.plans(principal.tenant_id, page_params)
