"""One person's whole picture, as staff see it: one query here and one of each neighbour that knows
the person's work, and never a secret."""

import asyncio
from datetime import datetime
from typing import Literal, Protocol, TypeVar
from uuid import UUID

import msgspec
from msgspec import Struct
from msgspec.structs import replace

from flatrender.contracts.files import PersonStorage, StorageFigures
from flatrender.contracts.identity import RenderLimits
from flatrender.contracts.render import JobFigures, PersonJobs
from flatrender.contracts.studio import PersonProjects, ProjectFigures
from flatrender.errors import NotFound
from flatrender.plugin import PluginContext
from flatrender.security.principal import Principal
from flatrender_identity.errors import OutOfReach
from flatrender_identity.permissions import PEOPLE_CRM, reaches
from flatrender_identity.queries import LiveSession
from flatrender_identity.services.crm import CrmEntry
from flatrender_identity.services.entitlements import EntitlementService
from flatrender_identity.services.roles import RoleService
from flatrender_identity.services.sessions import role_named

F_co = TypeVar("F_co", covariant=True)

SESSIONS = 50
EVENTS = 20

_PICTURE = """
SELECT jsonb_build_object(
  'profile', jsonb_build_object('id', u.id, 'display_name', u.display_name,
    'first_name', u.first_name, 'last_name', u.last_name, 'company', u.company,
    'external_id', u.external_id, 'register_mode', u.register_mode, 'locale', u.locale,
    'timezone', u.timezone, 'country', u.country, 'role', u.role, 'status', u.status,
    'marketing_consent', u.marketing_consent, 'created_at', u.created_at,
    'last_login_at', u.last_login_at, 'last_login_ip', host(u.last_login_ip),
    'login_count', u.login_count, 'deletion_due_at', u.deletion_due_at),
  'addresses', jsonb_build_array(
    jsonb_build_object('kind', 'Email', 'value', u.email, 'proven_at', u.email_verified_at),
    jsonb_build_object('kind', 'Mobile', 'value', u.mobile, 'proven_at', u.mobile_verified_at)),
  'sign_in', jsonb_build_object('has_password', u.password_hash IS NOT NULL,
    'password_changed_at', u.password_changed_at, 'password_must_change', u.password_must_change,
    'mfa_enabled', u.mfa_enabled,
    'recovery_codes_left', (SELECT count(*) FROM identity.mfa_recovery_codes r
      WHERE r.tenant_id = u.tenant_id AND r.user_id = u.id AND r.used_at IS NULL),
    'factors', coalesce((SELECT jsonb_agg(jsonb_build_object('id', f.id, 'kind', f.kind,
        'name', f.name, 'created_at', f.created_at, 'last_used_at', f.last_used_at)
        ORDER BY f.created_at, f.id) FROM identity.mfa_factors f
      WHERE f.tenant_id = u.tenant_id AND f.user_id = u.id AND f.confirmed_at IS NOT NULL), '[]'),
    'identities', coalesce((SELECT jsonb_agg(jsonb_build_object('id', o.id,
        'provider', o.provider, 'email', o.email, 'linked_at', o.created_at,
        'last_login_at', o.last_login_at) ORDER BY o.created_at, o.id)
      FROM identity.oauth_identities o
      WHERE o.tenant_id = u.tenant_id AND o.user_id = u.id), '[]')),
  'sessions', coalesce((SELECT jsonb_agg(to_jsonb(s) ORDER BY s.last_seen_at DESC, s.id) FROM (
      SELECT id, device_name, user_agent, host(last_ip) AS ip, host(ip) AS first_ip,
        amr AS methods, created_at, last_seen_at,
        least(idle_expires_at, absolute_expires_at) AS expires_at,
        impersonator_id IS NOT NULL AS by_support
      FROM identity.sessions WHERE tenant_id = u.tenant_id AND user_id = u.id
        AND revoked_at IS NULL AND idle_expires_at > now() AND absolute_expires_at > now()
      ORDER BY last_seen_at DESC LIMIT $3) s), '[]'),
  'plan', (SELECT jsonb_build_object('code', p.code, 'name_fa', p.name_fa, 'name_en', p.name_en,
      'source', up.source, 'starts_at', up.starts_at, 'expires_at', up.expires_at)
    FROM identity.user_plans up JOIN identity.plans p ON p.id = up.plan_id
    WHERE up.tenant_id = u.tenant_id AND up.user_id = u.id AND up.status = 'Active'
      AND (up.expires_at IS NULL OR up.expires_at > now())),
  'balances', jsonb_build_object('currency', 'IRR',
    'wallet_minor', coalesce((SELECT balance_minor FROM identity.wallets w
      WHERE w.tenant_id = u.tenant_id AND w.user_id = u.id), 0),
    'charge_minor', coalesce(a.balance_minor, 0),
    'charge_reserved_minor', coalesce(a.reserved_minor, 0)),
  'renders', (SELECT jsonb_build_object('total', coalesce(sum(d.renders), 0),
      'last_30_days', coalesce(sum(d.renders) FILTER (WHERE d.day > current_date - 30), 0),
      'seconds', coalesce(sum(d.seconds), 0))
    FROM identity.user_daily_usage d WHERE d.tenant_id = u.tenant_id AND d.user_id = u.id),
  'crm', jsonb_build_object('tags', coalesce(c.tags, '{}'), 'note', coalesce(c.note, ''),
    'pipeline_status', coalesce(c.pipeline_status, 'New'),
    'pipeline_changed_at', c.pipeline_changed_at, 'updated_by', c.updated_by,
    'updated_at', c.updated_at, 'version', coalesce(c.version, 0)),
  'ban', CASE WHEN u.status = 'Banned' THEN jsonb_build_object('at', u.banned_at,
    'until', u.banned_until, 'reason', u.ban_reason, 'by', u.banned_by) END,
  'security_events', coalesce((SELECT jsonb_agg(to_jsonb(e) ORDER BY e.at DESC, e.id DESC) FROM (
      SELECT id, kind, created_at AS at, host(ip) AS ip, user_agent, session_id
      FROM identity.security_events WHERE tenant_id = u.tenant_id AND user_id = u.id
      ORDER BY created_at DESC, id DESC LIMIT $4) e), '[]')
)::text
FROM identity.users u
LEFT JOIN identity.user_crm c ON c.tenant_id = u.tenant_id AND c.user_id = u.id
LEFT JOIN identity.render_charge_accounts a ON a.tenant_id = u.tenant_id AND a.user_id = u.id
WHERE u.tenant_id = $1 AND u.id = $2 AND u.deleted_at IS NULL
"""


class PersonProfile(Struct, frozen=True, kw_only=True):
    """Who it is. Times are UTC."""

    id: UUID
    display_name: str
    first_name: str | None
    last_name: str | None
    company: str | None
    external_id: str | None
    register_mode: str
    locale: str
    timezone: str | None
    country: str | None
    role: str
    status: str
    marketing_consent: bool
    created_at: datetime
    last_login_at: datetime | None
    last_login_ip: str | None
    login_count: int
    deletion_due_at: datetime | None


class PersonAddress(Struct, frozen=True, kw_only=True):
    """An address, and since when it is proven; None: it is not."""

    kind: Literal["Email", "Mobile"]
    value: str | None
    proven_at: datetime | None


class PersonFactor(Struct, frozen=True, kw_only=True):
    """A second factor that counts: ``totp`` or ``webauthn``."""

    id: UUID
    kind: str
    name: str
    created_at: datetime
    last_used_at: datetime | None


class PersonIdentity(Struct, frozen=True, kw_only=True):
    """A linked account elsewhere."""

    id: UUID
    provider: str
    email: str | None
    linked_at: datetime
    last_login_at: datetime | None


class PersonSignIn(Struct, frozen=True, kw_only=True):
    """How they sign in."""

    has_password: bool
    password_changed_at: datetime | None
    password_must_change: bool
    mfa_enabled: bool
    recovery_codes_left: int
    factors: list[PersonFactor]
    identities: list[PersonIdentity]


class PersonPlan(Struct, frozen=True, kw_only=True):
    """The plan in force."""

    code: str
    name_fa: str
    name_en: str
    source: str
    starts_at: datetime
    expires_at: datetime | None


class PersonBalances(Struct, frozen=True, kw_only=True):
    """Money, in minor units."""

    currency: str
    wallet_minor: int
    charge_minor: int
    charge_reserved_minor: int


class PersonRenders(Struct, frozen=True, kw_only=True):
    """Renders that were counted, and their output in seconds."""

    total: int
    last_30_days: int
    seconds: float


class PersonBan(Struct, frozen=True, kw_only=True):
    """A ban in force; ``by`` None: the operator."""

    at: datetime
    until: datetime | None
    reason: str | None
    by: UUID | None


class PersonEvent(Struct, frozen=True, kw_only=True):
    """A line of their security log."""

    id: UUID
    kind: str
    at: datetime
    ip: str | None
    user_agent: str
    session_id: UUID | None


class PersonWork(Struct, frozen=True, kw_only=True):
    """What they made, had rendered and keep, in numbers. Null: this deployment has no such
    context (`studio`, `render`, `files`)."""

    projects: ProjectFigures | None = None
    jobs: JobFigures | None = None
    storage: StorageFigures | None = None


class PersonPicture(Struct, frozen=True, kw_only=True):
    """All there is about somebody: at most 50 sessions and the last 20 security events. ``crm`` is
    None for who may not see it (moderators their own), ``plan`` where the free one holds,
    ``limits`` where the account is not active."""

    profile: PersonProfile
    addresses: list[PersonAddress]
    sign_in: PersonSignIn
    sessions: list[LiveSession]
    plan: PersonPlan | None
    balances: PersonBalances
    renders: PersonRenders
    crm: CrmEntry | None
    ban: PersonBan | None
    security_events: list[PersonEvent]
    permissions: list[str] = []
    limits: RenderLimits | None = None
    work: PersonWork = PersonWork()


class PictureService:
    """Reads one person."""

    def __init__(self, context: PluginContext) -> None:
        self._context = context
        self._db = context.db

    async def of(self, principal: Principal, user_id: UUID) -> PersonPicture:
        """Return somebody of the caller's tenant; a moderator sees customers and themselves.

        Raises ``NotFound``, :class:`OutOfReach`.
        """
        text = await self._db.reads.value(
            principal.tenant_id, _PICTURE, principal.tenant_id, user_id, SESSIONS, EVENTS
        )
        if text is None:
            raise NotFound()
        found = msgspec.json.decode(text, type=PersonPicture)
        role = role_named(found.profile.role)
        own = user_id == principal.user_id
        if not own and not reaches(principal.role, role):
            raise OutOfReach()
        noted = reaches(principal.role, role) and principal.may(PEOPLE_CRM.name)
        roles = self._context.get(RoleService)
        held = (await roles.of(principal.tenant_id, role)).permissions if role != "user" else []
        limits = None
        if found.profile.status == "Active":  # nobody else may render
            entitlements = self._context.get(EntitlementService)
            limits = await entitlements.limits(principal.tenant_id, user_id)
        return replace(
            found,
            addresses=[address for address in found.addresses if address.value is not None],
            crm=found.crm if noted else None,
            permissions=[one.name for one in held if one.allowed],
            limits=limits,
            work=await self._work(principal.tenant_id, user_id),
        )

    async def _work(self, tenant_id: UUID, user_id: UUID) -> PersonWork:
        """Ask every neighbour at once for its numbers of this person."""
        context = self._context
        projects, jobs, storage = await asyncio.gather(
            _figures(context.wanted(PersonProjects), tenant_id, user_id),
            _figures(context.wanted(PersonJobs), tenant_id, user_id),
            _figures(context.wanted(PersonStorage), tenant_id, user_id),
        )
        return PersonWork(projects=projects, jobs=jobs, storage=storage)


class _Figures(Protocol[F_co]):
    async def figures(self, tenant_id: UUID, user_id: UUID) -> F_co: ...


async def _figures(port: _Figures[F_co] | None, tenant_id: UUID, user_id: UUID) -> F_co | None:
    return await port.figures(tenant_id, user_id) if port is not None else None
