"""Connections that are not reset between their users keep nothing of any of them."""

import contextlib
from typing import Any

from flatrender.testing.platform import Platform

#: What somebody set in a session and did not set back, as the driver does; less the limit that
#: every connection of ours is opened with. A tenant's setting is a placeholder, which the view
#: leaves out.
_LEFT = """
SELECT coalesce(array_agg(name), '{}') AS names, current_setting('app.tenant_id', true) AS tenant
FROM pg_settings WHERE source = 'session' AND setting IS DISTINCT FROM reset_val
    AND name <> 'transaction_timeout'
"""


async def test_nothing_is_left_in_sessions_that_go_on_to_the_next_user(
    lot: Any, platform: Platform
) -> None:
    """After a customer's whole render: claims, heartbeats, reports, events and sweeps."""
    customer = await lot.customer()
    job = await customer.submit()
    assert (await customer.ended(job["id"]))["step"] == "Done"
    await customer.reservation(job["id"], "Settled")
    looked = 0
    for plugin in platform.runtime.plugins.values():
        database = plugin.context.db
        for pool in (await database.system_pool.get(), await database._request_pool.get()):
            async with contextlib.AsyncExitStack() as stack:
                for _ in range(max(1, pool.get_idle_size())):
                    connection = await stack.enter_async_context(pool.acquire())
                    row = await connection.fetchrow(_LEFT)
                    assert (row["names"], row["tenant"] or None) == ([], None), plugin.context.name
                    looked += 1
    assert looked >= 2 * len(platform.runtime.plugins)
