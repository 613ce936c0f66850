"""Asking for a link or code: to verify an address, to recover an account, to sign in.

Who asks is answered before anybody looks whether there is such an account: the same words after
the same work. A task does the rest, and tells nobody but the address itself.
"""

from typing import Literal
from uuid import UUID

from msgspec import Struct

from flatrender.clock import uuid7
from flatrender.db import UnitOfWork
from flatrender.plugin import PluginContext
from flatrender.tasks.task import Task
from flatrender_identity.addresses import Address
from flatrender_identity.services.one_time import OneTimeService, Purpose
from flatrender_identity.services.policies import PolicyService
from flatrender_identity.services.security_log import seal, tell

#: ``known``: somebody registered with an address that has an account already; its owner gets a
#: way in that replaces whatever password was set before.
Wanted = Literal["verify", "known", "reset_password", "magic_link"]

PAGE_PATH = "/v1/auth/link"

_ACCOUNT = """
SELECT id, locale, email_verified_at IS NOT NULL AS email_verified,
       mobile_verified_at IS NOT NULL AS mobile_verified
FROM identity.users
WHERE tenant_id = :tenant AND status = 'Active' AND deleted_at IS NULL
  AND CASE WHEN :kind = 'Email' THEN email_key = :value ELSE mobile = :value END
"""


class AskedLink(Struct, frozen=True, kw_only=True):
    """Somebody asked for a message to an address. ``token_id`` makes the task idempotent."""

    token_id: UUID
    tenant_id: UUID
    kind: Literal["Email", "Mobile"]
    value: str
    wanted: Wanted


class LinkService:
    """Use cases of one-time links and codes."""

    def __init__(self, context: PluginContext) -> None:
        self._context = context
        self._db = context.db
        self._public = context.infra.settings.http.public_url.rstrip("/")

    async def ask(self, tenant_id: UUID, address: Address | None, wanted: Wanted) -> None:
        """Have a message sent to ``address`` if it has an account that may get it.

        Raises ``RateLimited``, counted for the address whether or not it is known.
        """
        party = f"recipient:{tenant_id}:{address.value if address else ''}"
        limiter = self._context.infra.security.limiter
        await limiter.check("message", party, critical=True)
        if wanted == "reset_password":
            await limiter.check("reset", party, critical=True)
        if address is None:
            return
        async with self._db.unit_of_work(tenant_id) as work:
            self.enqueue(work, address, wanted)

    def enqueue(self, work: UnitOfWork, address: Address, wanted: Wanted) -> None:
        """Have the message sent after commit; limits are the caller's business."""
        work.enqueue(
            SEND_LINK,
            AskedLink(
                token_id=uuid7(),
                tenant_id=work.tenant,
                kind=address.kind,
                value=address.value,
                wanted=wanted,
            ),
        )

    async def send(self, asked: AskedLink) -> None:
        """Make the token and ask for its message; nothing for an address without an account."""
        address = Address(asked.kind, asked.value)
        async with self._db.unit_of_work(asked.tenant_id) as work:
            found = await work.execute(
                _ACCOUNT, tenant=asked.tenant_id, kind=address.kind, value=address.value
            )
            row = found.first()
            if row is None:
                return
            verified = row.email_verified if address.kind == "Email" else row.mobile_verified
            if asked.wanted == "verify" and verified:
                return
            purpose = _purpose(asked.wanted, address)
            await self.issue(
                work,
                token_id=asked.token_id,
                purpose=purpose,
                user_id=row.id,
                address=address,
                locale=row.locale,
                template="account_exists" if asked.wanted == "known" else purpose,
            )

    async def issue(
        self,
        work: UnitOfWork,
        *,
        token_id: UUID,
        purpose: Purpose,
        user_id: UUID | None,
        address: Address,
        locale: str,
        template: str | None = None,
        params: dict[str, str] | None = None,
    ) -> None:
        """Make one token and send both its halves, sealed, to ``address``: a code, and for mail
        the link to a page that uses the token up on a person's word only."""
        issued = await self._context.get(OneTimeService).issue(
            work, token_id=token_id, purpose=purpose, user_id=user_id, target=address.value
        )
        if issued is None:
            return
        secrets = {"code": issued.code}
        link = await self.link(work.tenant, purpose, issued.token, locale)
        if address.kind == "Email" and link is not None:
            secrets["link"] = link
        sealed = seal(self._context, address, secrets)
        tell(work, address, template or purpose, locale, user_id, params, sealed)

    async def link(self, tenant_id: UUID, purpose: str, token: str, locale: str) -> str | None:
        """Return the link of a token: the tenant's own page, else ours. The token is in the
        fragment, which no server and no log ever sees.

        None for signing in where the tenant has no page: ours has no frontend to open a session
        for, and the code does it in the window that asked.
        """
        policy = await self._context.get(PolicyService).of(tenant_id)
        if policy.link_page is None and purpose == "magic_link":
            return None
        page = policy.link_page or f"{self._public}{PAGE_PATH}"
        return f"{page}#{purpose}={token}&lang={locale}"


def _purpose(wanted: Wanted, address: Address) -> Purpose:
    if wanted == "verify":
        return "verify_email" if address.kind == "Email" else "verify_mobile"
    return "magic_link" if wanted == "magic_link" else "reset_password"


async def send_link(context: PluginContext, asked: AskedLink) -> None:
    """Send what somebody asked for."""
    await context.get(LinkService).send(asked)


SEND_LINK = Task(
    name="identity.send_link", queue="quick", handler=send_link, payload=AskedLink, timeout=30.0
)
