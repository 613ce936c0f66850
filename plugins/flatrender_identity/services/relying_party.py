"""For whom a tenant's passkeys are made: the deployment's host, or the tenant's own.

A tenant may name a host that it has proven to be its own, and pages there. The browser holds pages
to it: a page can only name its own host or one above it.
"""

import ipaddress
from urllib.parse import urlsplit
from uuid import UUID

from flatrender.db import UnitOfWork
from flatrender.errors import FieldError, Invalid
from flatrender.plugin import PluginContext
from flatrender.security.cookies import origin_of
from flatrender_identity.origins import host_of, within
from flatrender_identity.passkeys import RelyingParty
from flatrender_identity.policy import TenantPolicy, read_policy
from flatrender_identity.settings import IdentitySettings

_READ = "SELECT name_fa, name_en, locale, policy FROM identity.tenants WHERE id = $1"
_PROVEN = """
SELECT EXISTS (SELECT FROM identity.tenant_domains
               WHERE tenant_id = :tenant AND domain = :domain AND proven_at IS NOT NULL)
"""


class RelyingPartyService:
    """Answers which relying party a tenant's passkeys belong to."""

    def __init__(self, context: PluginContext) -> None:
        self._db = context.db
        settings = context.infra.settings
        own = settings.section("identity", IdentitySettings)
        public = settings.http.public_url
        self._rp_id = own.passkey_rp_id or _name_of(host_of(public))
        listed = own.passkey_origins or [public, *settings.http.cors_origins]
        self._origins = frozenset(
            origin_of(origin)
            for origin in listed
            if own.passkey_origins or within(host_of(origin), self._rp_id)
        )
        self._loopback = not settings.production and self._rp_id == "localhost"

    async def of(self, tenant_id: UUID) -> RelyingParty:
        """Return a tenant's relying party."""
        row = (await self._db.reads.records(tenant_id, _READ, tenant_id))[0]
        policy = read_policy(row["policy"])
        name = str(row["name_en"] if row["locale"] == "en" else row["name_fa"])
        if policy.passkey_rp_id is None:
            return RelyingParty(
                rp_id=self._rp_id, name=name, origins=self._origins, loopback=self._loopback
            )
        origins = policy.passkey_origins or [f"https://{policy.passkey_rp_id}"]
        return RelyingParty(rp_id=policy.passkey_rp_id, name=name, origins=frozenset(origins))


async def check_party(work: UnitOfWork, policy: TenantPolicy) -> None:
    """Refuse a relying party that is not the tenant's own. Raises ``Invalid``."""
    rp_id = policy.passkey_rp_id
    if rp_id is None:
        if policy.passkey_origins:
            raise _refused("/passkey_rp_id", "required", _NEEDED)
        return
    proven = await work.execute(_PROVEN, tenant=work.tenant, domain=rp_id)
    if not proven.scalar_one():
        raise _refused("/passkey_rp_id", "domain_not_proven", _NOT_PROVEN)
    for number, origin in enumerate(policy.passkey_origins):
        if not _is_page_of(origin, rp_id):
            raise _refused(f"/passkey_origins/{number}", "origin_invalid", _NOT_OF_HOST)


_NEEDED = ("نام میزبان هم لازم است", "Name the host as well")
_NOT_PROVEN = (
    "این میزبان در میان دامنه‌های تأییدشدهٔ مجموعه نیست",
    "The host is none of the tenant's proven domains",
)
_NOT_OF_HOST = (
    "مبدأ https روی همین میزبان یا زیر آن لازم است",
    "Needs an https origin on this host or below",
)


def _refused(pointer: str, code: str, words: tuple[str, str]) -> Invalid:
    return Invalid(
        errors=[FieldError(pointer=pointer, code=code, message_fa=words[0], message_en=words[1])]
    )


def _is_page_of(origin: str, rp_id: str) -> bool:
    try:
        parts = urlsplit(origin)
        exact = origin == f"https://{parts.netloc}".lower() and "@" not in origin
        return exact and origin.isascii() and within(parts.hostname or "", rp_id)
    except ValueError:
        return False


def _name_of(host: str) -> str:
    """Return a host that can be a relying party: an IP address cannot, this machine's name can."""
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return host
    return "localhost"
