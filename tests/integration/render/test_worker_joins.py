"""A worker of the pool is a node from its first moment, not from its first piece."""

import asyncio
from typing import Any

import pytest

from flatrender.tasks.service import WorkerService
from flatrender_render.farm.node import Node


@pytest.mark.parametrize(("queues", "joins"), [(["push"], False), (["push", "render"], True)])
async def test_a_worker_of_the_render_queue_joins_at_once(
    island: Any, queues: list[str], joins: bool
) -> None:
    platform = island.lot.platform
    context = platform.runtime.plugins["render"].context
    if node := context.made(Node):
        await node.leave()

    async def there() -> Any:
        made = context.made(Node)
        return made is not None and made.registered and made

    service = WorkerService(platform.runtime, queues=queues)
    running = asyncio.create_task(service.run(handle_signals=False))
    try:
        await asyncio.wait_for(service.ready.wait(), 30)
        assert bool(await there()) == joins
        if joins:
            node_id = await context.get(Node).identity()
            (row,) = await platform.sql(
                "SELECT kind, status, slots FROM render.nodes WHERE id = $1", node_id
            )
            assert (row["kind"], row["status"]) == ("Worker", "Idle")
            assert row["slots"] > 0
    finally:
        service.stop()
        await running
        await context.get(Node).leave()
