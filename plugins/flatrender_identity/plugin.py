"""The identity context's manifest: what it owns, offers and needs."""

from collections.abc import Mapping
from typing import Any, ClassVar

from litestar.di import Provide

from flatrender.contracts import identity as contract
from flatrender.contracts.files import PersonStorage
from flatrender.contracts.notification import MessageRequested
from flatrender.contracts.render import PersonJobs
from flatrender.contracts.studio import PersonProjects
from flatrender.plugin import FlatRenderPlugin, Manifest
from flatrender.security.ports import (
    FactorLedger,
    RoleLedger,
    SessionLedger,
    SupportLedger,
    TenantResolver,
)
from flatrender.security.tokens import KeySource
from flatrender_identity.controllers.access import AccessController
from flatrender_identity.controllers.admin_audit import AuditController
from flatrender_identity.controllers.admin_keys import SigningKeyController
from flatrender_identity.controllers.admin_members import InvitationController, MemberController
from flatrender_identity.controllers.admin_oauth import AdminOauthController
from flatrender_identity.controllers.admin_policy import PolicyController
from flatrender_identity.controllers.admin_roles import RoleController
from flatrender_identity.controllers.answers import SessionAnswers
from flatrender_identity.controllers.auth import AuthController, JwksController
from flatrender_identity.controllers.me import MeController, PlanController
from flatrender_identity.controllers.my_data import MyDataController
from flatrender_identity.controllers.my_identities import MyIdentityController
from flatrender_identity.controllers.my_passkeys import MyPasskeyController
from flatrender_identity.controllers.my_security import MySecurityController
from flatrender_identity.controllers.my_sessions import MySessionController
from flatrender_identity.controllers.my_trusted_devices import MyTrustedDeviceController
from flatrender_identity.controllers.oauth import OauthController
from flatrender_identity.controllers.pages import LinkPageController
from flatrender_identity.controllers.passkey_sign_in import PasskeySignInController
from flatrender_identity.controllers.sign_in_page import DevelopmentPages, SignInPageController
from flatrender_identity.controllers.telegram_page import TelegramPageController
from flatrender_identity.controllers.user_acts import UserActController
from flatrender_identity.controllers.user_crm import UserCrmController
from flatrender_identity.controllers.user_mfa import UserMfaController
from flatrender_identity.controllers.user_support import UserSupportController
from flatrender_identity.controllers.users import UserController, UserPictureController
from flatrender_identity.handlers import SUBSCRIPTIONS
from flatrender_identity.services.accounts import AccountService
from flatrender_identity.services.audit_views import AuditViews
from flatrender_identity.services.bans import BanService
from flatrender_identity.services.contacts import ContactService
from flatrender_identity.services.credentials import CredentialService
from flatrender_identity.services.crm import CrmService
from flatrender_identity.services.data_exports import DataExportService
from flatrender_identity.services.deletion import DeletionService
from flatrender_identity.services.directory import DirectoryService
from flatrender_identity.services.entitlements import EntitlementService
from flatrender_identity.services.factor_resets import FactorResetService
from flatrender_identity.services.factors import FactorService
from flatrender_identity.services.impersonation import ImpersonationService
from flatrender_identity.services.invitations import InvitationService
from flatrender_identity.services.key_rotation import KeyRotation
from flatrender_identity.services.keys import KeyService
from flatrender_identity.services.links import LinkService
from flatrender_identity.services.listing import ListingService
from flatrender_identity.services.members import MemberService
from flatrender_identity.services.mfa import MfaService
from flatrender_identity.services.oauth_accounts import OauthAccountService
from flatrender_identity.services.oauth_flow import OauthFlowService
from flatrender_identity.services.oauth_providers import ProviderService
from flatrender_identity.services.one_time import OneTimeService
from flatrender_identity.services.passkey_sign_in import PasskeySignInService
from flatrender_identity.services.passkeys import PasskeyService
from flatrender_identity.services.people import PeopleService
from flatrender_identity.services.person_password import PersonPasswordService
from flatrender_identity.services.person_picture import PictureService
from flatrender_identity.services.policies import PolicyService
from flatrender_identity.services.recovery_codes import RecoveryCodeService
from flatrender_identity.services.roles import RoleService
from flatrender_identity.services.session_acts import SessionActService
from flatrender_identity.services.sessions import SessionService
from flatrender_identity.services.sign_in import SignInService
from flatrender_identity.services.trusted_devices import TrustedDeviceService
from flatrender_identity.tasks import SCHEDULES, TASKS

_SERVICES: dict[str, type[Any]] = {
    "accounts": AccountService,
    "sessions": SessionService,
    "answers": SessionAnswers,
    "development_pages": DevelopmentPages,
    "sign_ins": SignInService,
    "acts": SessionActService,
    "invitations": InvitationService,
    "members": MemberService,
    "audit_views": AuditViews,
    "impersonation": ImpersonationService,
    "roles": RoleService,
    "people": PeopleService,
    "bans": BanService,
    "crm": CrmService,
    "pictures": PictureService,
    "person_passwords": PersonPasswordService,
    "data_exports": DataExportService,
    "deletion": DeletionService,
    "policies": PolicyService,
    "one_time": OneTimeService,
    "links": LinkService,
    "contacts": ContactService,
    "credentials": CredentialService,
    "mfa": MfaService,
    "factors": FactorService,
    "recovery_codes": RecoveryCodeService,
    "keys": KeyService,
    "rotation": KeyRotation,
    "passkeys": PasskeyService,
    "trusted_devices": TrustedDeviceService,
    "factor_resets": FactorResetService,
    "passkey_sign_ins": PasskeySignInService,
    "listing": ListingService,
    "directory": DirectoryService,
    "oauth": OauthFlowService,
    "oauth_accounts": OauthAccountService,
    "oauth_providers": ProviderService,
    "entitlements": EntitlementService,
}


class IdentityPlugin(FlatRenderPlugin):
    """Accounts, sessions, second factors, plans and what a render may cost."""

    manifest: ClassVar[Manifest] = Manifest(
        name="identity",
        schema="identity",
        summary="Accounts, sessions, second factors, plans and what a render may cost.",
        controllers=(
            AuthController,
            AccessController,
            JwksController,
            MeController,
            MySecurityController,
            MySessionController,
            MyDataController,
            MyIdentityController,
            MyPasskeyController,
            MyTrustedDeviceController,
            UserMfaController,
            PasskeySignInController,
            PolicyController,
            AdminOauthController,
            OauthController,
            MemberController,
            InvitationController,
            RoleController,
            UserController,
            UserActController,
            UserPictureController,
            UserCrmController,
            SigningKeyController,
            AuditController,
            UserSupportController,
            TelegramPageController,
            LinkPageController,
            SignInPageController,
            PlanController,
        ),
        tasks=TASKS,
        schedules=SCHEDULES,
        subscriptions=SUBSCRIPTIONS,
        offers=(
            KeySource,
            SessionLedger,
            RoleLedger,
            SupportLedger,
            FactorLedger,
            TenantResolver,
            contract.RenderEntitlements,
            contract.UploadEntitlements,
            contract.UserDirectory,
            contract.TenantDirectory,
            contract.TokenIssuer,
        ),
        wants=(PersonProjects, PersonJobs, PersonStorage),
        emits=(
            contract.UserRegistered,
            contract.UserEmailVerified,
            contract.UserBanned,
            contract.UserDeleted,
            contract.DataExportRequested,
            contract.DataExportGiven,
            contract.TenantCreated,
            contract.TenantSuspended,
            contract.PlanActivated,
            contract.PlanExpired,
            contract.PaymentSucceeded,
            contract.PaymentFailed,
            contract.PaymentRefunded,
            contract.ApiKeyCreated,
            contract.ApiKeyRevoked,
            MessageRequested,
        ),
    )

    def dependencies(self) -> dict[str, Provide]:
        """Return identity's services by the names handlers use."""
        return self.provide(_SERVICES)

    def ports(self) -> Mapping[type[Any], Any]:
        """Return the implementations of what identity offers."""
        directory = self.context.get(DirectoryService)
        return {
            KeySource: self.context.get(KeyService),
            SessionLedger: self.context.get(SessionService),
            FactorLedger: self.context.get(FactorService),
            RoleLedger: self.context.get(RoleService),
            SupportLedger: self.context.get(ImpersonationService),
            TenantResolver: directory,
            contract.RenderEntitlements: self.context.get(EntitlementService),
            contract.UploadEntitlements: self.context.get(EntitlementService),
            contract.UserDirectory: directory,
            contract.TenantDirectory: directory,
            contract.TokenIssuer: self.context.get(KeyService),
        }
