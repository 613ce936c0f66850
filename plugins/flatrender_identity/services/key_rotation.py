"""Which key signs: next, current, previous, retired.

A next key stands in the JWKS long before it signs, so every verifier knows it by then; the key it
follows stays there until the last token it signed has ended. Refresh tokens belong to no signing
key, so nobody is logged out, not even where keys are withdrawn.
"""

from datetime import datetime, timedelta

from msgspec import Struct

from flatrender.db import SystemTransaction
from flatrender.http.pages import Page, PageParams
from flatrender.plugin import PluginContext
from flatrender.security.principal import DEFAULT_TENANT_ID, Principal
from flatrender.security.settings import KEY_SECONDS
from flatrender.security.tokens import MAX_PURPOSE_SECONDS, SKEW_SECONDS
from flatrender.tasks.task import Nothing, Task
from flatrender_identity.errors import NextKeyTooYoung
from flatrender_identity.services.audit import audit_across
from flatrender_identity.services.keys import SIGNER_SECONDS, KeyService, lock_keys, make_key
from flatrender_identity.settings import IdentitySettings

#: Before a key signs it is published for as long as verifiers believe what they read, twice.
PUBLISHED = timedelta(seconds=2 * KEY_SECONDS)
#: The longest token, signed by the process that looked last.
KEPT = timedelta(seconds=MAX_PURPOSE_SECONDS + SIGNER_SECONDS + SKEW_SECONDS)

_STATE = """
SELECT c.kid, now() - c.activated_at AS age, n.kid AS next, now() - n.created_at AS next_age
FROM identity.signing_keys c LEFT JOIN identity.signing_keys n ON n.state = 'next'
WHERE c.state = 'current'
"""
#: A key that signs no more needs no private half; ``retired_at`` is when it stopped.
_STEP_DOWN = """
UPDATE identity.signing_keys SET state = 'previous', retired_at = now(), private_enc = ''
WHERE state = 'current'
"""
_STEP_UP = """
UPDATE identity.signing_keys SET state = 'current', activated_at = now()
WHERE state = 'next' RETURNING kid
"""
_RETIRE = """
UPDATE identity.signing_keys SET state = 'retired'
WHERE state = 'previous' AND retired_at < now() - $1::interval
"""
_WITHDRAW = """
UPDATE identity.signing_keys SET state = 'retired', private_enc = '',
    retired_at = coalesce(retired_at, now())
WHERE state <> 'retired'
"""
_LINES = """
SELECT kid, state, created_at, activated_at, retired_at FROM identity.signing_keys
ORDER BY created_at DESC, kid LIMIT $1 OFFSET $2
"""
_COUNT = "SELECT count(*) FROM identity.signing_keys"


class KeyLine(Struct, frozen=True, kw_only=True):
    """A signing key. ``state``: next, current, previous, retired; ``activated_at`` is when it
    began to sign, ``retired_at`` when it stopped."""

    kid: str
    state: str
    created_at: datetime
    activated_at: datetime | None
    retired_at: datetime | None


class KeyRotation:
    """Use cases of the deployment's signing keys."""

    def __init__(self, context: PluginContext) -> None:
        self._context = context
        self._db = context.db
        settings = context.infra.settings.section("identity", IdentitySettings)
        self._life = timedelta(days=settings.signing_key_days)

    async def page(self, page: PageParams) -> Page[KeyLine]:
        """Return one page of all keys there were, the newest first."""
        reads = self._db.reads
        rows = await reads.all(KeyLine, DEFAULT_TENANT_ID, _LINES, page.limit, page.offset)
        return page.of(rows, int(await reads.value(DEFAULT_TENANT_ID, _COUNT)))

    async def keep(self) -> None:
        """Make the next key, let it take over when the current one is old enough, and take
        previous ones out of the JWKS when nothing they signed can be good any longer."""
        async with self._db.system("signing keys by age") as work:
            await lock_keys(work)
            await work.execute(_RETIRE, KEPT)
            row = await work.fetchrow(_STATE)
            if row is None:  # the first signature makes the first key
                return
            if row["next"] is None:
                await make_key(self._context, work, "next")
            elif row["age"] >= self._life and row["next_age"] >= PUBLISHED:
                kid = await self._take_over(work)
                await audit_across(
                    work,
                    "system",
                    DEFAULT_TENANT_ID,
                    action="signing_key.rotate",
                    target_type="signing_key",
                    target_id=kid,
                    before={"kid": row["kid"]},
                    after={"kid": kid},
                    reason=f"older than {self._life.days} days",
                )

    async def rotate(self, principal: Principal | None, *, reason: str, withdraw: bool) -> str:
        """Let the next key sign from now on; returns its id. ``principal`` None: the operator.

        ``withdraw`` is for keys that others may hold: all that there are go out of use, tokens
        they signed are refused within a minute and clients renew theirs. The act is written down.
        Raises :class:`NextKeyTooYoung` while verifiers may not know the next key.
        """
        async with self._db.system("signing keys rotated by hand") as work:
            await lock_keys(work)
            row = await work.fetchrow(_STATE)
            if withdraw:
                await work.execute(_WITHDRAW)
                kid = (await make_key(self._context, work, "current")).kid
                await make_key(self._context, work, "next")
            else:
                if row is None or row["next"] is None:
                    raise _too_young(timedelta(0))
                if row["next_age"] < PUBLISHED:
                    raise _too_young(row["next_age"])
                kid = await self._take_over(work)
            await audit_across(
                work,
                principal or "cli",
                DEFAULT_TENANT_ID,
                action="signing_key.withdraw" if withdraw else "signing_key.rotate",
                target_type="signing_key",
                target_id=kid,
                before={"kid": row["kid"]} if row is not None else None,
                after={"kid": kid},
                reason=reason,
            )
        self._context.get(KeyService).forget()
        return kid

    async def _take_over(self, work: SystemTransaction) -> str:
        await work.execute(_STEP_DOWN)
        kid: str = await work.fetchval(_STEP_UP)
        await make_key(self._context, work, "next")
        return kid


def _too_young(age: timedelta) -> NextKeyTooYoung:
    left = (PUBLISHED - age).total_seconds()
    seconds = max(1, int(-(-left // 1)))
    return NextKeyTooYoung(headers={"Retry-After": str(seconds)}, retry_after=seconds)


async def keep_keys(context: PluginContext, _payload: Nothing) -> None:
    """Move signing keys on by age."""
    await context.get(KeyRotation).keep()


KEEP_KEYS = Task(name="identity.keep_signing_keys", queue="cleanup", handler=keep_keys)
