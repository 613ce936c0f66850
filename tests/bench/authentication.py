"""What authentication costs a request: processor time, counted apart from the hot read itself.

Run by hand against any Valkey: ``python tests/bench/authentication.py redis://127.0.0.1:6379/0``.
``measure`` is also called by the whole bench.
"""

import asyncio
import sys
import time
from collections.abc import Awaitable, Callable
from typing import Any
from uuid import UUID, uuid4

from flatrender.http.context import RequestContext, current_request
from flatrender.security.authentication import Authentication
from flatrender.security.gate import Gate
from flatrender.security.limits import limit_named
from flatrender.security.sessions import SessionCache
from flatrender.security.settings import SecuritySettings
from flatrender.security.tokens import (
    KeyRing,
    SigningKey,
    StaticKeys,
    TokenSigner,
    TokenVerifier,
)

CALLS = 3_000


class _Alive:
    async def session_live(self, _session_id: UUID) -> bool:
        return True


class _Route:
    opt: dict[str, Any] = {}  # noqa: RUF012 - a route's options, never changed here


async def measure(valkey_url: str, *, calls: int = CALLS) -> dict[str, float]:
    """Return microseconds of processor time (and of wall time, where named) per call."""
    settings, key = SecuritySettings(), SigningKey.generate()
    signer = TokenSigner(key, settings)
    verifier = TokenVerifier(KeyRing(StaticKeys(key)), settings)
    gate = Gate(valkey_url, f"bench-{uuid4().hex}")
    service = Authentication(verifier=verifier, gate=gate, sessions=SessionCache(gate, _Alive()))
    user = limit_named("user")
    burst = user.calls

    def scope() -> Any:
        token, _ = signer.access(
            user_id=uuid4(), tenant_id=uuid4(), role="user", session_id=uuid4()
        )
        headers = [(b"host", b"api.test"), (b"authorization", f"Bearer {token}".encode())]
        return {"type": "http", "method": "GET", "headers": headers, "route_handler": _Route}

    current_request.set(RequestContext(request_id="bench-request", correlation_id="bench-request"))
    # As many callers as the general limit needs, so that nobody is refused.
    scopes = [scope() for _ in range(-(-2 * calls // burst) + 16)]
    for each in scopes:
        await service.authenticate(each, None)  # type: ignore[arg-type]  # no body is read

    async def whole(number: int) -> None:
        await service.authenticate(scopes[number % len(scopes)], None)  # type: ignore[arg-type]  # no body is read

    token = scopes[0]["headers"][1][1].decode().removeprefix("Bearer ")

    async def cold(_number: int) -> None:
        await TokenVerifier(verifier._ring, settings).access(token)

    async def cached(_number: int) -> None:
        await verifier.access(token)

    async def sign(_number: int) -> None:
        scope()

    result = {
        "verify a token seen before": await _cpu(cached, calls),
        "verify a token": await _cpu(cold, calls // 3),
        "sign a token": await _cpu(sign, calls // 3),
        "whole authentication, one at a time": await _cpu(whole, calls // 3),
        "whole authentication, 16 at once": await _cpu(whole, calls, at_once=16),
    }
    await gate.close()
    return result


async def _cpu(work: Callable[[int], Awaitable[None]], calls: int, *, at_once: int = 1) -> float:
    async def some(first: int) -> None:
        for number in range(first, calls, at_once):
            await work(number)

    begun = time.process_time()
    await asyncio.gather(*(some(first) for first in range(at_once)))
    return (time.process_time() - begun) / calls * 1e6


def main() -> None:
    """Print the figures."""
    figures = asyncio.run(measure(sys.argv[1]))
    for name, micros in figures.items():
        print(f"{name:<40} {micros:7.1f} us of processor time")


if __name__ == "__main__":
    main()
