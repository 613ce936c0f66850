"""A node that is told to stop while no farm answers."""

import asyncio
from pathlib import Path

from flatrender.clock import uuid7
from flatrender.security.secrets import Secret
from flatrender.testing.waiting import until
from flatrender_render.node.agent import NodeAgent
from flatrender_render.node.settings import NodeSettings


async def test_a_node_that_no_farm_answers_stops_when_told(tmp_path: Path) -> None:
    """It would wait for the farm for ever, and only a kill ended it."""
    calls = 0

    async def hang_up(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal calls
        calls += 1
        writer.close()

    async def tried() -> bool:
        return calls > 0

    server = await asyncio.start_server(hang_up, "127.0.0.1", 0)
    async with server:
        host, port = server.sockets[0].getsockname()
        agent = NodeAgent(
            NodeSettings(
                url=f"http://{host}:{port}",
                node_id=uuid7(),
                secret=Secret("x" * 43),
                folder=tmp_path,
            )
        )
        run = asyncio.create_task(agent.run())
        await until(tried)
        assert not run.done()
        agent.stop()
        await asyncio.wait_for(run, 10)
