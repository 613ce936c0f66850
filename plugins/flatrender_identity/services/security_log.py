"""An account's own security log, and the mails that tell its owner of what is in it.

One place writes both, inside the transaction of the act: what happened, from which address and
device, and a message to every address that must know.
"""

import ipaddress
from collections.abc import Mapping
from uuid import UUID

import msgspec
from msgspec import Struct

from flatrender.contracts.notification import MessageRequested, message_place
from flatrender.db import UnitOfWork
from flatrender.http.context import client_address
from flatrender.plugin import PluginContext
from flatrender.security.support import impersonator
from flatrender_identity.addresses import Address

_RECORD = """
INSERT INTO identity.security_events (tenant_id, user_id, kind, session_id, ip, user_agent, detail,
    impersonator_id)
VALUES (:tenant, :user, :kind, :session, CAST(:ip AS inet), :agent, CAST(:detail AS jsonb),
    :support)
"""
_OWNER = """
SELECT id, email, mobile, locale, CASE WHEN mobile_verified_at IS NOT NULL THEN mobile END AS proven
FROM identity.users WHERE tenant_id = :tenant AND id = :user
"""


class Place(Struct, frozen=True):
    """From where an act came: the device's name for itself."""

    user_agent: str = ""


def inet(address: str) -> str | None:
    """Return the address for an ``inet`` column, None when it is none."""
    try:
        return str(ipaddress.ip_address(address))
    except ValueError:
        return None


async def record(
    work: UnitOfWork,
    user_id: UUID,
    kind: str,
    *,
    session_id: UUID | None = None,
    user_agent: str = "",
    detail: Mapping[str, object] | None = None,
    support: UUID | None = None,
) -> None:
    """Write one line of the account's log: ``kind`` is a stable word (``password_changed``).
    ``support`` is who of support did it, where the session does not say so."""
    await work.execute(
        _RECORD,
        tenant=work.tenant,
        user=user_id,
        kind=kind,
        session=session_id,
        ip=inet(client_address()),
        agent=user_agent[:400],
        detail=msgspec.json.encode(detail or {}).decode(),
        support=support or impersonator(),
    )


async def tell_owner(
    work: UnitOfWork, user_id: UUID, template: str, params: Mapping[str, str] | None = None
) -> None:
    """Send a security notice to the account's e-mail, or by SMS to its proven mobile."""
    row = (await work.execute(_OWNER, tenant=work.tenant, user=user_id)).first()
    if row is None:
        return
    if row.email:
        tell(work, Address("Email", row.email), template, row.locale, user_id, params)
    elif row.proven:
        tell(work, Address("Mobile", row.proven), template, row.locale, user_id, params)


def tell(  # noqa: PLR0917 - what a message consists of
    work: UnitOfWork,
    to: Address,
    template: str,
    locale: str,
    user_id: UUID | None = None,
    params: Mapping[str, str] | None = None,
    sealed: str = "",
) -> None:
    """Ask notification for one message after commit."""
    work.emit(
        MessageRequested(
            channel=to.channel,
            user_id=user_id,
            recipient=to.value,
            template=template,
            locale=locale,
            params=dict(params or {}),
            sealed_params=sealed,
        )
    )


def seal(context: PluginContext, to: Address, secrets: Mapping[str, str]) -> str:
    """Return codes and links sealed for their one reader."""
    return context.infra.encryptor.encrypt(
        msgspec.json.encode(dict(secrets)), message_place(to.value)
    )
