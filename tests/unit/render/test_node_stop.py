"""A node that is told to stop while no farm answers."""

import asyncio
from pathlib import Path

from flatrender.clock import uuid7
from flatrender.security.secrets import Secret
from flatrender_render.node.agent import NodeAgent
from flatrender_render.node.settings import NodeSettings


async def test_a_node_that_no_farm_answers_stops_when_told(tmp_path: Path) -> None:
    """It would wait for the farm for ever, and only a kill ended it."""
    agent = NodeAgent(
        NodeSettings(
            url="http://127.0.0.1:1", node_id=uuid7(), secret=Secret("x" * 43), folder=tmp_path
        )
    )
    run = asyncio.create_task(agent.run())
    await asyncio.sleep(1.0)
    assert not run.done()
    agent.stop()
    await asyncio.wait_for(run, 10)
