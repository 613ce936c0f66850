"""Known devices: a device that has logged in keeps tries of its own.

Tries are counted per account, so a stranger who guesses could use up the owner's. A device that
once opened a session of the account holds a token that says so; its tries are its own and a
stranger's do not touch them. The token opens nothing, and months after the login it comes from it
says nothing any more: a device that was lost or sold is a stranger's in the end. It is stored
nowhere, so nothing has to be cleared away.
"""

from datetime import timedelta
from uuid import UUID

from flatrender.plugin import PluginContext

_PREFIX = "fd1"


class KnownDevices:
    """Issues and reads device tokens: ``fd1.<session hex>.<hex HMAC>`` over tenant and address.

    A session's id (UUID version 7) begins with the milliseconds at which it was opened; from there
    on a token lives ``device_token_days``.
    """

    def __init__(self, context: PluginContext) -> None:
        self._hash = context.infra.security.keyed_hash("known_device")
        self._clock = context.clock
        self._life = timedelta(days=context.infra.settings.security.device_token_days)

    def token(self, tenant_id: UUID, address: str, session_id: UUID) -> str:
        """Return the token of the device that holds a session; the same for all its life."""
        mac = self._hash.digest(_body(tenant_id, address, session_id.hex)).hex()
        return f"{_PREFIX}.{session_id.hex}.{mac}"

    def party(self, tenant_id: UUID, address: str, token: str | None) -> str | None:
        """Return whom to count a try for, None when the device is not known to this account or
        its login was too long ago."""
        prefix, _, rest = (token or "").partition(".")
        session, _, mac = rest.partition(".")
        if prefix != _PREFIX or len(session) != 32 or len(mac) != 64 or not mac.isascii():
            return None
        try:
            stored = bytes.fromhex(mac)
        except ValueError:
            return None
        if not self._hash.matches(_body(tenant_id, address, session), stored):
            return None
        if self._clock.now().timestamp() - _opened(session) > self._life.total_seconds():
            return None
        return f"device:{session}"


def _opened(session: str) -> float:
    """Return when a session was opened, in Unix seconds (RFC 9562 section 5.7)."""
    return int(session[:12], 16) / 1000


def _body(tenant_id: UUID, address: str, session: str) -> str:
    return f"{_PREFIX}\n{session}\n{tenant_id.hex}\n{address}"
