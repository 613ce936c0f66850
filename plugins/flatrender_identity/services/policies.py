"""Reading and changing a tenant's rules of signing in."""

from urllib.parse import urlsplit
from uuid import UUID

import msgspec

from flatrender.errors import FieldError, Invalid, NotFound
from flatrender.plugin import PluginContext
from flatrender.security.passwords import check_policy, normalise
from flatrender.security.principal import Principal
from flatrender_identity.policy import TenantPolicy, read_policy
from flatrender_identity.services.audit import audit
from flatrender_identity.services.relying_party import check_party

_READ = "SELECT policy FROM identity.tenants WHERE id = $1"
_LOCK = "SELECT policy FROM identity.tenants WHERE id = :tenant FOR UPDATE"
_WRITE = """
UPDATE identity.tenants SET policy = (policy - CAST(:own AS text[])) || CAST(:policy AS jsonb)
WHERE id = :tenant
"""


class PolicyService:
    """Use cases of ``identity.tenants.policy``."""

    def __init__(self, context: PluginContext) -> None:
        self._db = context.db
        self._http = context.infra.settings.http

    async def of(self, tenant_id: UUID) -> TenantPolicy:
        """Return a tenant's rules. Raises ``NotFound``."""
        rows = await self._db.reads.records(tenant_id, _READ, tenant_id)
        if not rows:
            raise NotFound()
        return read_policy(rows[0]["policy"])

    async def change(
        self, principal: Principal, policy: TenantPolicy, *, reason: str
    ) -> TenantPolicy:
        """Replace the tenant's rules and write down by whom, from what to what.

        Raises ``Invalid`` for a link page that is no https page, and for a passkeys' host that is
        not the tenant's.
        """
        if policy.link_page is not None and not is_page(policy.link_page):
            raise Invalid(errors=[_BAD_PAGE])
        own = list(TenantPolicy.__struct_fields__)
        async with self._db.unit_of_work(principal.tenant_id) as work:
            found = await work.execute(_LOCK, tenant=principal.tenant_id)
            before = read_policy(found.scalar_one())
            await check_party(work, policy)
            await work.execute(
                _WRITE,
                own=own,
                policy=msgspec.json.encode(policy).decode(),
                tenant=principal.tenant_id,
            )
            await audit(
                work,
                principal,
                action="tenant.policy.change",
                target_type="tenant",
                target_id=principal.tenant_id,
                before=msgspec.to_builtins(before),
                after=msgspec.to_builtins(policy),
                reason=reason,
            )
        return policy

    async def check_password(
        self,
        tenant_id: UUID,
        password: str,
        *,
        identifiers: list[str],
        has_mfa: bool,
        pointer: str = "/password",
    ) -> None:
        """Refuse a password that must not be chosen, by the deployment's rules and the tenant's.

        Raises ``Invalid``.
        """
        check_policy(password, identifiers=identifiers, has_mfa=has_mfa, pointer=pointer)
        least = (await self.of(tenant_id)).password_min_length
        if least is not None and len(normalise(password)) < least:
            raise Invalid(
                errors=[
                    FieldError(
                        pointer=pointer,
                        code="password_too_short",
                        message_fa=f"دست‌کم {least} نویسه لازم است.",
                        message_en=f"At least {least} characters are needed.",
                    )
                ]
            )


_NEAR = ("localhost", "127.0.0.1", "::1")
_BAD_PAGE = FieldError(
    pointer="/link_page",
    code="page_invalid",
    message_fa="نشانی کامل یک صفحهٔ https بدون # لازم است",
    message_en="Needs the whole address of an https page, without a fragment",
)


def is_page(url: str, *, loopback: bool = False) -> bool:
    """True for an https address without user, fragment and characters that hide another host.

    ``loopback`` lets plain http to this machine pass, for frontends in development.
    """
    if not url.isascii() or any(not c.isprintable() or c in ' \\"<>#' for c in url):
        return False
    try:
        parts = urlsplit(url)
        near = loopback and parts.scheme == "http" and parts.hostname in _NEAR
        return bool(
            (parts.scheme == "https" or near) and parts.hostname and "@" not in parts.netloc
        ) and (parts.port is None or parts.port > 0)
    except ValueError:
        return False
