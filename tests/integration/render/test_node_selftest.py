"""A worker of the pool that was set aside proves itself and works again."""

from typing import Any

from flatrender_render.farm.node import Node
from flatrender_render.farm.runner import Runner


async def test_a_test_render_lifts_a_quarantine_of_the_farms_own(island: Any) -> None:
    platform = island.lot.platform
    context = platform.runtime.plugins["render"].context
    context.get(Runner)  # knows how to carry the act out
    node = context.get(Node)
    admin = await platform.admin()
    node_id = await node.identity()
    await platform.sql(
        "UPDATE render.nodes SET status = 'Quarantined', quarantined_at = now() WHERE id = $1",
        node_id,
    )
    answer = await platform.client.post(
        f"/v1/admin/nodes/{node_id}/test-render", json={}, headers=admin.headers
    )
    assert answer.status_code == 200, answer.text

    async def tested() -> Any:
        rows = await platform.sql(
            "SELECT c.state, c.result, n.status FROM render.node_commands c "
            "JOIN render.nodes n ON n.id = c.node_id "
            "WHERE c.node_id = $1 AND c.state IN ('Done', 'Failed')",
            node_id,
        )
        return rows or None

    try:
        (row,) = await platform.until(tested)
    finally:
        await node.leave()
    assert row["state"] == "Done", row["result"]
    assert row["status"] in {"Idle", "Busy"}
