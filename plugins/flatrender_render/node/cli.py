"""``flatrender node``: a render node on a machine outside.

Exit codes: 0 stopped, 2 misuse, 3 the farm refuses this node, 75 restart wanted (the service
manager starts it again; ``EX_TEMPFAIL`` of sysexits.h).
"""

import asyncio
import contextlib
import os
import signal
import sys

import click

RESTART = 75


@click.command("node")
@click.option("--url", help="The server, such as https://api.example.com (FLATRENDER_NODE_URL).")
@click.option("--id", "id_", help="The id that enrolling gave (FLATRENDER_NODE_ID).")
@click.option("--secret-file", help="A file with the signing secret (or FLATRENDER_NODE_SECRET).")
@click.option("--folder", help="Cache and scratch; default: ./flatrender-node.")
@click.option("--slots", type=click.IntRange(0, 512), help="Frame jobs at once; 0: one per core.")
@click.option("--engines", help="Only these engines, by comma.")
@click.option("--region", help="Where the machine stands.")
@click.option("--bandwidth", type=click.IntRange(64_000), help="At most so many bits a second.")
def node(id_: str | None, **given: object) -> None:
    """Render for a farm from this machine. It only dials out."""
    from flatrender.observability.logs import configure_logging
    from flatrender.settings import load_settings
    from flatrender_render.farm.remote import FarmRefused
    from flatrender_render.node.agent import NodeAgent
    from flatrender_render.node.settings import NodeMisconfigured, read_settings

    try:
        settings = read_settings(os.environ, id=id_, **given)
    except NodeMisconfigured as error:
        raise click.UsageError(str(error)) from error
    configure_logging(load_settings().observability)
    os.umask(0o077)  # customers' files lie here; other users of the machine are strangers

    async def run() -> bool:
        agent = NodeAgent(settings)
        loop = asyncio.get_running_loop()
        for number in (signal.SIGINT, signal.SIGTERM):
            with contextlib.suppress(NotImplementedError):  # Windows
                loop.add_signal_handler(number, agent.stop)
        await agent.run()
        return agent.restart

    try:
        again = asyncio.run(run())
    except FarmRefused as error:
        click.echo(f"The farm refuses this node: {error}", err=True)
        sys.exit(3)
    sys.exit(RESTART if again else 0)
