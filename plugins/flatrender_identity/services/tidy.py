"""What nobody can use any longer is removed: one-time tokens, challenges and sign-ins with
providers a day after their end.

The day is kept so that who comes late is told the same as before, and for looking into trouble.
"""

from flatrender.plugin import PluginContext
from flatrender.tasks.task import Nothing, Task

BATCH = 5_000

_TOKENS = """
DELETE FROM identity.one_time_tokens WHERE id IN (
    SELECT id FROM identity.one_time_tokens WHERE expires_at < now() - interval '1 day'
    ORDER BY expires_at LIMIT $1 FOR UPDATE SKIP LOCKED)
"""
_CHALLENGES = """
DELETE FROM identity.mfa_challenges WHERE id IN (
    SELECT id FROM identity.mfa_challenges WHERE expires_at < now() - interval '1 day'
    ORDER BY expires_at LIMIT $1 FOR UPDATE SKIP LOCKED)
"""
_STATES = """
DELETE FROM identity.oauth_states WHERE id IN (
    SELECT id FROM identity.oauth_states WHERE expires_at < now() - interval '1 day'
    ORDER BY expires_at LIMIT $1 FOR UPDATE SKIP LOCKED)
"""
_ASSERTIONS = """
DELETE FROM identity.used_assertions WHERE (tenant_id, digest) IN (
    SELECT tenant_id, digest FROM identity.used_assertions
    WHERE expires_at < now() - interval '1 day' ORDER BY expires_at LIMIT $1)
"""


async def tidy(context: PluginContext, _payload: Nothing) -> None:
    """Remove a batch of each; the next run goes on."""
    async with context.db.system("tokens, challenges and sign-ins that are over") as work:
        for statement in (_TOKENS, _CHALLENGES, _STATES, _ASSERTIONS):
            await work.execute(statement, BATCH)


TIDY = Task(name="identity.tidy", queue="cleanup", handler=tidy)
