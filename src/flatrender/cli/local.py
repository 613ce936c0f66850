"""``up`` and ``demo``: all of FlatRender on this machine, for a person to see."""

import os
import signal
import sys
import threading
from pathlib import Path
from types import FrameType

import click

from flatrender.cli.root import INTERRUPTED, fail

# Several processes of ours start together: what the first one compiles the others need not, even
# where the environment tells Python to keep nothing.
sys.dont_write_bytecode = False

FOLDER_OPTION = click.option(
    "--data",
    "folder",
    type=click.Path(file_okay=False, path_type=Path),
    default=Path(os.environ.get("FLATRENDER_DATA_DIR", ".flatrender")),
    show_default=True,
    help="Folder for everything that is kept.",
)


#: The exit status of a program that ran out of its time, as timeout(1) has it.
TIMED_OUT = 124


def _interrupt(_number: int, _frame: FrameType | None) -> None:
    raise KeyboardInterrupt


class _TimeUp(KeyboardInterrupt):
    """The time is over: ends everything that Ctrl-C ends, in the same way."""


def _time_up(_number: int, _frame: FrameType | None) -> None:
    raise _TimeUp


def _limit(seconds: float) -> None:
    """Raise :class:`_TimeUp` in the main thread in ``seconds``, whatever it waits for; 0 calls
    that off. Windows has no timers of signals: there is no limit there."""
    if hasattr(signal, "setitimer"):
        signal.signal(signal.SIGALRM, _time_up)
        signal.setitimer(signal.ITIMER_REAL, seconds)


def _short(path: Path) -> Path:
    """Return the path as a person in this folder would type it."""
    here = Path.cwd()
    return path.relative_to(here) if path.is_relative_to(here) else path


@click.command()
@FOLDER_OPTION
@click.option(
    "--port", type=click.IntRange(0, 65535), default=0, help="API port; a free one by default."
)
def up(folder: Path, port: int) -> None:
    """Run everything on embedded servers until Ctrl-C."""
    from flatrender.local import LocalDeployment

    signal.signal(signal.SIGTERM, _interrupt)
    ended = threading.Event()
    trouble: list[str] = []

    def died(line: str) -> None:
        trouble.append(line)
        ended.set()

    try:
        with LocalDeployment(
            folder, http_port=port, say=lambda line: click.echo(f"  {line}"), on_trouble=died
        ) as deployment:
            endpoints = deployment.endpoints
            click.echo(f"\nAPI       {deployment.base_url}")
            click.echo(f"Docs      {deployment.base_url}/docs")
            click.echo(f"Health    {deployment.base_url}/health/ready")
            if endpoints and endpoints.s3 and endpoints.postgres and endpoints.valkey:
                click.echo(f"S3        {endpoints.s3.endpoint}")
                click.echo(
                    f"Postgres  postgresql://{endpoints.postgres.superuser}@"
                    f"{endpoints.postgres.host}:{endpoints.postgres.port}/flatrender"
                )
                click.echo(f"Valkey    {endpoints.valkey.host}:{endpoints.valkey.port}")
            click.echo(f"Data      {deployment.folder} (logs in logs/, secrets in *.json)")
            click.echo(f"Commands  flatrender --env {_short(deployment.environment_file)} doctor")
            click.echo("\nCtrl-C stops everything.")
            while not ended.wait(0.5):
                pass
    except KeyboardInterrupt:
        click.echo("\nstopped")
        return
    if trouble:
        fail(trouble[0])


@click.command()
@FOLDER_OPTION
@click.option("--embedded", is_flag=True, help="Start embedded servers, API and worker first.")
@click.option("--url", default=None, help="A running server instead.")
@click.option("--template", default="persian-promo", show_default=True)
@click.option("--aspect", default=None, help="16:9, 1:1 or 9:16.")
@click.option("--resolution", default="1080p", show_default=True, help="Of the paid render.")
@click.option("--text", default=None, help="Your own headline.")
@click.option(
    "--out",
    type=click.Path(file_okay=False, path_type=Path),
    default=Path("demo-output"),
    show_default=True,
)
@click.option(
    "--time-limit",
    type=click.FloatRange(min=1, max=86_400),
    default=1800.0,
    envvar="FLATRENDER_DEMO_TIME_LIMIT",
    show_default=True,
    help="Seconds for all of it; past them everything is stopped and the status is 124.",
)
def demo(  # noqa: PLR0917 - click passes options by name
    folder: Path,
    embedded: bool,
    url: str | None,
    template: str,
    aspect: str | None,
    resolution: str,
    text: str | None,
    out: Path,
    time_limit: float,
) -> None:
    """Make a video the way a customer does, over the HTTP API."""
    from flatrender.demo.journey import Choices, run_journey
    from flatrender.local import LocalDeployment

    signal.signal(signal.SIGTERM, _interrupt)
    choices = Choices(
        template=template, aspect=aspect, resolution=resolution, text=text, output=out
    )
    _limit(time_limit)
    try:
        if url and not embedded:
            run_journey(url, choices, grant=None)
            return
        with LocalDeployment(
            folder,
            say=lambda line: click.echo(f"  {line}"),
            before_stop=lambda: _limit(0),  # stopping the servers is never cut short
        ) as deployment:

            def grant(email: str) -> None:
                deployment.run("user", "grant-plan", email, "pro")

            run_journey(deployment.base_url, choices, grant=grant)
    except _TimeUp:
        fail(
            f"the demo was not done within {time_limit:g} s (--time-limit); stopped, nothing is "
            "left running",
            code=TIMED_OUT,
        )
    except KeyboardInterrupt:
        click.echo("\nstopped; nothing is left running", err=True)
        sys.exit(INTERRUPTED)
    finally:
        _limit(0)
