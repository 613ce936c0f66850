"""The caller's own account: /v1/me and its second factor; plans on sale."""

from typing import Any
from uuid import UUID

import msgspec
from litestar import Controller, Request, Response, delete, get, patch, post
from litestar.di import NamedDependency
from litestar.params import FromPath, JSONBody
from msgspec import UNSET

from flatrender.contracts.identity import RenderLimits
from flatrender.errors import NotFound
from flatrender.http.pages import Page, PageParams
from flatrender.http.problems import problem_responses
from flatrender.security.errors import RateLimited, StepUpRequired
from flatrender.security.guards import owner_changes, requires_step_up, requires_user
from flatrender.security.principal import Principal
from flatrender_identity.controllers.answers import SessionAnswers
from flatrender_identity.errors import (
    FactorExists,
    InvalidMfaCode,
    MfaLocked,
    ProofRequired,
)
from flatrender_identity.errors_mfa import InvalidPasskey
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
from flatrender_identity.schemas_access import ProvenBody
from flatrender_identity.schemas_mfa import MyFactors, StepUpBody
from flatrender_identity.services.accounts import AccountService
from flatrender_identity.services.entitlements import EntitlementService
from flatrender_identity.services.factors import FactorService
from flatrender_identity.services.impersonation import ImpersonationService, MyAccount
from flatrender_identity.services.listing import ListingService
from flatrender_identity.services.mfa import MfaService, Shown
from flatrender_identity.services.passkey_sign_in import BegunSignIn
from flatrender_identity.services.recovery_codes import RecoveryCodeService


def own_id(principal: Principal) -> UUID:
    """Return the caller's user id; guards have let users pass only."""
    if principal.user_id is None:
        raise NotFound()
    return principal.user_id


class MeController(Controller):
    """The caller's account."""

    path = "/v1/me"
    tags = ("identity",)
    guards = (requires_user, owner_changes)

    @get("/", operation_id="get_me", summary="Who am I", opt={"mfa": "exempt"})
    async def read(
        self,
        principal: NamedDependency[Principal],
        accounts: NamedDependency[AccountService],
        impersonation: NamedDependency[ImpersonationService],
    ) -> MyAccount:
        """Return the caller's account with its plan. Where `support` is there, support acts in
        it: show so on every page."""
        me = await accounts.me(principal.tenant_id, own_id(principal))
        return MyAccount(support=await impersonation.here(principal), **msgspec.structs.asdict(me))

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

    @get("/mfa", operation_id="get_my_factors", summary="My second factors", opt={"mfa": "exempt"})
    async def factors(
        self,
        principal: NamedDependency[Principal],
        factors: NamedDependency[FactorService],
        recovery_codes: NamedDependency[RecoveryCodeService],
    ) -> MyFactors:
        """Return what the caller can show, and how many recovery codes are left."""
        tenant_id, user_id = principal.tenant_id, own_id(principal)
        return MyFactors(
            methods=await factors.methods(tenant_id, user_id),
            recovery_codes_left=await recovery_codes.left(tenant_id, user_id),
        )

    @post(
        "/mfa/totp",
        operation_id="enrol_totp",
        summary="Set up an authenticator app",
        opt={"mfa": "exempt", "critical": True},
        responses=problem_responses(FactorExists, ProofRequired, StepUpRequired, RateLimited),
    )
    async def enrol(
        self,
        principal: NamedDependency[Principal],
        accounts: NamedDependency[AccountService],
        mfa: NamedDependency[MfaService],
        data: JSONBody[ProvenBody | None] = None,
    ) -> EnrolmentAnswer:
        """Begin a TOTP factor. It counts once it is confirmed with a code. Wants a sign-in of the
        last 15 minutes or the present password; beside another factor, that one fresh."""
        me = await accounts.me(principal.tenant_id, own_id(principal))
        made = await mfa.enrol_totp(
            principal, me.email or str(me.id), password=data.current_password if data else None
        )
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
        responses=problem_responses(
            NotFound, FactorExists, InvalidMfaCode, MfaLocked, StepUpRequired
        ),
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
        """Confirm by a first code; returns tokens with the factor in, and ten recovery codes
        where it is the first factor."""
        codes, tokens = await mfa.confirm_totp(principal, factor_id, data.code)
        return await answers.confirmed(request, tokens, codes)

    @post(
        "/mfa/step-up/options",
        status_code=200,
        operation_id="begin_step_up",
        summary="Ask for a passkey to step up",
        opt={"mfa": "exempt", "critical": True},
    )
    async def begin_step_up(
        self, principal: NamedDependency[Principal], mfa: NamedDependency[MfaService]
    ) -> BegunSignIn:
        """Return the options for `navigator.credentials.get`, good for five minutes in this
        session; the answer goes to `/v1/me/mfa/step-up` with the `challenge_id`."""
        return await mfa.ask_step_up(principal)

    @post(
        "/mfa/step-up",
        status_code=200,
        operation_id="step_up",
        summary="Show the second factor again",
        opt={"mfa": "exempt", "critical": True},
        responses=problem_responses(InvalidMfaCode, InvalidPasskey, MfaLocked),
    )
    async def step_up(
        self,
        data: JSONBody[StepUpBody],
        request: Request[Any, Any, Any],
        principal: NamedDependency[Principal],
        answers: NamedDependency[SessionAnswers],
        mfa: NamedDependency[MfaService],
    ) -> Response[TokenAnswer | BrowserAnswer]:
        """Freshen the second factor of this session, for sensitive acts: by a TOTP or recovery
        code, or by a passkey."""
        shown = Shown(code=data.code or "", passkey=data.passkey)
        tokens = await mfa.step_up(principal, shown, challenge_id=data.challenge_id)
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
        """Remove the app. Wants a second factor of the last 15 minutes. The other sessions end;
        where no second factor is left, this one and the recovery codes too, and staff set up a
        new factor when they sign in again."""
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
