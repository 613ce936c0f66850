"""The middleware that makes opted-in routes idempotent.

It stands behind authentication and before the handler: it reads the body (within the route's
limit), claims the key, holds the answer back until it is kept, and gives it again to repeats.
"""

import asyncio
import base64
import hashlib
import hmac
import logging
import math
from collections.abc import Awaitable, Callable
from datetime import datetime, timedelta
from typing import Any

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from litestar import Request
from litestar.enums import ScopeType
from litestar.types import ASGIApp, HTTPScope, Message, Receive, Scope, Send

from flatrender.clock import Clock, SystemClock, random_token
from flatrender.http.context import client_address
from flatrender.http.idempotency.claim import Claim, current_claim
from flatrender.http.idempotency.errors import AnswerLost, KeyReused, KeyRunning
from flatrender.http.idempotency.policy import policy_of, read_key
from flatrender.http.idempotency.store import (
    Answer,
    Claimed,
    Done,
    Entry,
    IdempotencyStore,
    Reused,
    Running,
)
from flatrender.security.principal import Principal, anonymous, current_principal

log = logging.getLogger(__name__)

KEPT_FOR = timedelta(hours=24)
#: Refusals that depend on a state which may pass; nothing was changed, so the key is free again.
PASSING = frozenset({401, 402, 403, 408, 409, 412, 423, 425, 428, 429})
_MAX_ANSWER = 256 * 1024
_MAX_RETRY_AFTER = 5
#: Headers that belong to one exchange, or to one browser, and are never given again.
_NOT_KEPT = frozenset(
    {
        "connection",
        "content-length",
        "date",
        "keep-alive",
        "server",
        "set-cookie",
        "trailer",
        "transfer-encoding",
        "x-request-id",
    }
)


class IdempotencyMiddleware:
    """Litestar middleware. ``stores`` gives the store of a context by its name.

    ``key`` is the deployment's secret: it keys the request hashes and seals kept answers, so the
    table reveals neither passwords in requests nor secrets that are shown once in answers.
    """

    def __init__(
        self,
        app: ASGIApp,
        *,
        stores: Callable[[str], IdempotencyStore],
        key: bytes,
        clock: Clock | None = None,
    ) -> None:
        self.app = app
        self._stores = stores
        self._hash_key = hmac.digest(key, b"flatrender idempotency hash v1", hashlib.sha256)
        self._seal = AESGCM(hmac.digest(key, b"flatrender idempotency seal v1", hashlib.sha256))
        self._clock = clock or SystemClock()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Run one request; routes without the opt pass straight through."""
        if scope["type"] != ScopeType.HTTP:
            await self.app(scope, receive, send)
            return
        policy = policy_of(scope["route_handler"].opt)
        if policy is None:
            await self.app(scope, receive, send)
            return
        key = read_key(scope["headers"], policy)
        if key is None:
            await self.app(scope, receive, send)
            return
        body = await Request[Any, Any, Any](scope, receive, send).body()
        entry = self._entry(scope, key, body)
        store = self._stores(policy.context)
        now = self._clock.now()
        outcome = await store.begin(
            entry,
            now=now,
            locked_until=now + timedelta(seconds=policy.lock_seconds),
            expires_at=now + KEPT_FOR,
        )
        match outcome:
            case Claimed(fence=fence):
                claim = Claim(context=policy.context, entry=entry, fence=fence)
                held = _HeldAnswer(send)
                await self._first(store, claim, held, self.app(scope, receive, held.send))
            case Running(locked_until=until):
                raise KeyRunning(headers={"Retry-After": str(_retry_after(until, now))})
            case Reused():
                raise KeyReused
            case Done(answer=Answer() as answer):
                await self._again(entry, answer, send)
            case Done():
                raise AnswerLost

    async def _first(
        self, store: IdempotencyStore, claim: Claim, held: "_HeldAnswer", act: Awaitable[None]
    ) -> None:
        try:
            token = current_claim.set(claim)
            try:
                await act
            finally:
                current_claim.reset(token)  # the store's own transactions are not the act's
        except BaseException:
            # Nothing was answered; a lock that cannot be released now runs out by itself.
            await asyncio.shield(self._forget(store, claim.entry, claim.fence))
            raise
        await asyncio.shield(self._keep(store, claim.entry, claim.fence, held))
        await held.deliver()

    async def _keep(
        self, store: IdempotencyStore, entry: Entry, fence: datetime, held: "_HeldAnswer"
    ) -> None:
        """Keep or release; the caller gets the answer even when neither works."""
        try:
            passing = held.status >= 500 or held.status in PASSING
            if passing and await store.release(entry, fence):
                return
            answer = None if held.overflowed or held.status >= 500 else self._sealed(entry, held)
            expires = self._clock.now() + KEPT_FOR
            if not await store.finish(entry, fence, answer, expires_at=expires):
                log.warning("idempotency claim on %s was lost before its answer", entry.route)
        except Exception:
            log.exception("idempotency answer of %s could not be kept", entry.route)

    async def _forget(self, store: IdempotencyStore, entry: Entry, fence: datetime) -> None:
        try:
            await store.release(entry, fence)
        except Exception:
            log.exception("idempotency claim on %s could not be released", entry.route)

    async def _again(self, entry: Entry, answer: Answer, send: Send) -> None:
        sealed, aad = answer.body, _place(entry)
        try:
            body = self._seal.decrypt(sealed[:12], sealed[12:], aad)
        except InvalidTag:  # the deployment's key has changed since
            raise AnswerLost from None
        headers = [(n.encode("latin-1"), v.encode("latin-1")) for n, v in answer.headers]
        headers.append((b"idempotency-replayed", b"true"))
        if answer.status not in (204, 304):
            headers.append((b"content-length", str(len(body)).encode("ascii")))
        await send({"type": "http.response.start", "status": answer.status, "headers": headers})
        await send({"type": "http.response.body", "body": body, "more_body": False})

    def _entry(self, scope: HTTPScope, key: str, body: bytes) -> Entry:
        principal = current_principal.get() or anonymous()
        route = f"{scope['method']} {scope['path']}"
        parts = (route.encode(), scope.get("query_string", b""), body)
        digest = hmac.new(self._hash_key, digestmod=hashlib.sha256)
        for part in parts:  # lengths keep the parts apart
            digest.update(len(part).to_bytes(8, "big") + part)
        return Entry(
            tenant_id=principal.tenant_id,
            subject=_subject(principal),
            key=key,
            route=f"{scope['method']} {scope.get('path_template', scope['path'])}",
            request_hash=digest.digest(),
        )

    def _sealed(self, entry: Entry, held: "_HeldAnswer") -> Answer:
        nonce = base64.urlsafe_b64decode(random_token(12))
        return Answer(
            status=held.status,
            headers=held.kept_headers(),
            body=nonce + self._seal.encrypt(nonce, bytes(held.body), _place(entry)),
        )


class _HeldAnswer:
    """Collects an answer until it is kept; one that grows too large flows on unkept."""

    def __init__(self, send: Send) -> None:
        self._send = send
        self._messages: list[Message] = []
        self.status = 0
        self.headers: list[tuple[bytes, bytes]] = []
        self.body = bytearray()
        self.overflowed = False

    async def send(self, message: Message) -> None:
        """Take one ASGI message."""
        if message["type"] == "http.response.start":
            self.status = message["status"]
            self.headers = list(message.get("headers", ()))
        elif message["type"] == "http.response.body":
            self.body += message.get("body", b"")
            self.overflowed = self.overflowed or len(self.body) > _MAX_ANSWER
        self._messages.append(message)
        if self.overflowed:
            self.body.clear()
            await self.deliver()

    async def deliver(self) -> None:
        """Pass on what is held."""
        messages, self._messages = self._messages, []
        for message in messages:
            await self._send(message)

    def kept_headers(self) -> list[tuple[str, str]]:
        """The headers to give again."""
        named = [(n.decode("latin-1").lower(), v.decode("latin-1")) for n, v in self.headers]
        return [(name, value) for name, value in named if name not in _NOT_KEPT]


def _subject(principal: Principal) -> str:
    """Name the caller; strangers are told apart by address: none gets another's answer."""
    if principal.kind == "anonymous":
        return f"anonymous:{client_address()}"
    return principal.subject


def _place(entry: Entry) -> bytes:
    """What a sealed body is bound to: moved to another row it does not open."""
    return "\n".join((str(entry.tenant_id), entry.subject, entry.key)).encode()


def _retry_after(until: datetime, now: datetime) -> int:
    return max(1, min(_MAX_RETRY_AFTER, math.ceil((until - now).total_seconds())))
