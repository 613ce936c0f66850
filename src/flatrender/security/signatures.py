"""Request signatures (API keys that demand them, nodes) and Standard Webhooks.

A request is signed by hex HMAC-SHA256 over ``timestamp.method.path.sha256(body)``: Unix seconds,
the method in capitals, the request target exactly as sent (path, and ``?query`` where there is
one), the hex digest of the body's bytes. It is good for five minutes around its timestamp, once.

Webhooks: https://github.com/standard-webhooks/standard-webhooks, specification 1.0.
"""

import base64
import binascii
import hashlib
import hmac
import secrets
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from litestar.types import Scope

from flatrender.clock import Clock, SystemClock
from flatrender.errors import Unavailable
from flatrender.security.errors import InvalidSignature, SignatureExpired, SignatureReplayed
from flatrender.security.gate import Gate
from flatrender.security.ports import ReplayLedger
from flatrender.security.secrets import Secret

WINDOW_SECONDS = 300
WEBHOOK_PREFIX = "whsec_"
_HEX = frozenset("0123456789abcdef")


def canonical_request(timestamp: int, method: str, target: str, body: bytes) -> bytes:
    """Return the bytes that are signed."""
    digest = hashlib.sha256(body).hexdigest()
    return f"{timestamp}.{method.upper()}.{target}.{digest}".encode("utf-8", "surrogateescape")


def sign_request(secret: Secret, timestamp: int, method: str, target: str, body: bytes) -> str:
    """Return the signature as 64 hex digits."""
    message = canonical_request(timestamp, method, target, body)
    return hmac.new(secret.reveal().encode(), message, hashlib.sha256).hexdigest()


def request_target(scope: Scope) -> str:
    """Return the request target as the client sent it, percent-encoding included."""
    raw: Any = scope.get("raw_path") or scope["path"].encode()
    path = bytes(raw).partition(b"?")[0]
    query = bytes(scope.get("query_string", b""))
    return (path + b"?" + query if query else path).decode("utf-8", "surrogateescape")


class SignatureVerifier:
    """Verifies request signatures, each once.

    Replays are remembered in Valkey, and in ``ledger`` while Valkey is away; with neither, 503.
    When Valkey lost its memory less than a window ago, signatures from before are refused, since
    nobody can tell whether they were used: the caller signs anew.
    """

    def __init__(
        self, gate: Gate, *, ledger: ReplayLedger | None = None, clock: Clock | None = None
    ) -> None:
        self._gate = gate
        self._ledger = ledger
        self._clock = clock or SystemClock()
        self._memory_since: float | None = None
        self._saw_loss = False

    async def verify(
        self,
        *,
        signer: str,
        secret: Secret,
        timestamp: str,
        signature: str,
        method: str,
        target: str,
        body: bytes,
    ) -> None:
        """Return when the signature holds and is new; ``signer`` names the key or node.

        Raises :class:`InvalidSignature`, :class:`SignatureExpired`, :class:`SignatureReplayed`,
        :class:`Unavailable`.
        """
        if not (timestamp.isascii() and timestamp.isdecimal() and len(timestamp) <= 12):
            raise InvalidSignature()
        sent = int(timestamp)
        expected = sign_request(secret, sent, method, target, body)
        given = signature.strip().lower()
        if len(given) != 64 or not set(given) <= _HEX:
            raise InvalidSignature()
        if not hmac.compare_digest(given.encode(), expected.encode()):
            raise InvalidSignature()
        if abs(self._clock.now().timestamp() - sent) > WINDOW_SECONDS:
            raise SignatureExpired()
        await self._once(f"sig:{hashlib.sha256(f'{signer}:{given}'.encode()).hexdigest()}", sent)

    async def _once(self, key: str, sent: int) -> None:
        use = await self._gate.first_use(key, 2 * WINDOW_SECONDS)
        if use is not None:
            if not use.new:
                raise SignatureReplayed()
            if not self._remembered(sent, use.memory_since):
                raise SignatureExpired()
            return
        if self._ledger is None:
            raise Unavailable(headers={"Retry-After": "5"})
        until = datetime.fromtimestamp(sent, UTC) + timedelta(seconds=2 * WINDOW_SECONDS)
        if not await self._ledger.first_use(key, until):
            raise SignatureReplayed()

    def _remembered(self, sent: int, since: float) -> bool:
        """True when a use at ``sent`` would still be remembered.

        Timestamps are whole seconds. When this process saw Valkey forget, the second in which it
        did counts as forgotten too; at the first look (a fresh start) it does not.
        """
        if self._memory_since not in (None, since):
            self._saw_loss = True
        self._memory_since = since
        return sent > int(since) if self._saw_loss else sent >= int(since)


def new_webhook_secret() -> Secret:
    """Make a Standard Webhooks secret: ``whsec_`` and 32 random bytes in base64."""
    return Secret(WEBHOOK_PREFIX + base64.b64encode(secrets.token_bytes(32)).decode())


def sign_webhook(
    webhook_secrets: Sequence[Secret], message_id: str, timestamp: int, body: bytes
) -> dict[str, str]:
    """Return the three headers. Every secret signs: the current one and, for a day after a
    rotation, the former one."""
    signed = f"{message_id}.{timestamp}.".encode() + body
    signatures = [f"v1,{_webhook_mac(secret, signed)}" for secret in webhook_secrets]
    return {
        "webhook-id": message_id,
        "webhook-timestamp": str(timestamp),
        "webhook-signature": " ".join(signatures),
    }


def verify_webhook(
    webhook_secrets: Sequence[Secret],
    headers: dict[str, str],
    body: bytes,
    *,
    now: float,
    tolerance: int = WINDOW_SECONDS,
) -> None:
    """Check a Standard Webhooks message by any of the secrets; ``headers`` have lower-case names.

    Raises :class:`InvalidSignature` or :class:`SignatureExpired`. The caller remembers
    ``webhook-id`` against replays.
    """
    timestamp = headers.get("webhook-timestamp", "")
    if not (timestamp.isascii() and timestamp.isdecimal() and len(timestamp) <= 12):
        raise InvalidSignature()
    signed = f"{headers.get('webhook-id', '')}.{timestamp}.".encode() + body
    expected = [_webhook_mac(secret, signed).encode() for secret in webhook_secrets]
    good = False
    for part in headers.get("webhook-signature", "").split(" ")[:16]:
        version, _, given = part.partition(",")
        for mac in expected:
            good |= version == "v1" and hmac.compare_digest(
                given.encode("utf-8", "surrogatepass"), mac
            )
    if not good:
        raise InvalidSignature()
    if abs(now - int(timestamp)) > tolerance:
        raise SignatureExpired()


def _webhook_mac(secret: Secret, signed: bytes) -> str:
    text = secret.reveal().removeprefix(WEBHOOK_PREFIX)
    try:
        key = base64.b64decode(text, validate=True)
    except binascii.Error as error:
        raise ValueError("a webhook secret is whsec_ and base64") from error
    return base64.b64encode(hmac.digest(key, signed, hashlib.sha256)).decode()
