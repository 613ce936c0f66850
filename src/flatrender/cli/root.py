"""The root command. Commands are imported when they are run, so ``--help`` is quick."""

import os
import sys
from pathlib import Path
from typing import Any

import click

from flatrender import __version__
from flatrender.cli.lazy import LazyCommand, LazyGroup

#: The exit status of a program that Ctrl-C ended (128 + SIGINT), as shells have it.
INTERRUPTED = 130

_COMMANDS = (
    LazyCommand("serve", "flatrender.cli.processes:serve", "Run the API server."),
    LazyCommand(
        "worker",
        "flatrender.cli.processes:worker",
        "Run a worker: tasks of the chosen queues, the event relay and schedules.",
    ),
    LazyCommand(
        "up", "flatrender.cli.local:up", "Run everything on embedded servers until Ctrl-C."
    ),
    LazyCommand(
        "demo",
        "flatrender.cli.local:demo",
        "Make a video the way a customer does, over the HTTP API.",
    ),
    LazyCommand(
        "migrate",
        "flatrender.cli.schema:migrate",
        "Apply pending migrations and make partitions ahead.",
    ),
    LazyCommand(
        "doctor", "flatrender.cli.doctor:doctor", "Check this machine and the configured servers."
    ),
    LazyCommand(
        "openapi",
        "flatrender.cli.published:openapi",
        "Print the OpenAPI 3.1 document of all installed contexts.",
    ),
    LazyCommand(
        "events-schema",
        "flatrender.cli.published:events_schema",
        "Print the AsyncAPI document of every event.",
    ),
    LazyCommand(
        "plugins",
        "flatrender.cli.published:plugins",
        "List the installed contexts and how they hang together.",
    ),
    LazyCommand(
        "dead-letters",
        "flatrender.cli.dead_letters:dead_letters",
        "List and replay tasks and events that failed too often.",
    ),
)


class _Root(LazyGroup):
    own = {command.name: command for command in _COMMANDS}  # noqa: RUF012 - read only


@click.group(cls=_Root, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="flatrender")
@click.option(
    "--env",
    "environment",
    type=click.Path(dir_okay=False, path_type=Path),
    help="File of NAME=value settings for this command; wins over the environment.",
)
def root(environment: Path | None) -> None:
    """FlatRender: template videos, from the template to the finished file."""
    if environment is not None:
        from flatrender.settings import read_environment_file

        os.environ.update(read_environment_file(environment))
    _quieten()


def _quieten() -> None:
    """Keep the logs of what a command does inside out of its answer: warnings, to standard error.

    ``serve`` and ``worker`` configure logging anew, by their settings.
    """
    from flatrender.observability.logs import configure_logging
    from flatrender.settings import ObservabilitySettings

    configure_logging(ObservabilitySettings(log_level="warning", log_format="console"))


def fail(message: str, *, code: int = 1) -> "Any":
    """Print one clear line on standard error and leave with ``code``."""
    click.echo(f"flatrender: {message}", err=True)
    raise SystemExit(code)


def main() -> None:
    """Run the command line; expected trouble is one line, never a traceback."""
    try:
        sys.exit(_run())
    except KeyboardInterrupt:
        click.echo("\nflatrender: stopped", err=True)
        sys.exit(INTERRUPTED)


def _run() -> int:
    """Run one command and return the exit status: 0 done, 1 it failed, 2 misuse, 130 Ctrl-C."""
    try:
        status = root(prog_name="flatrender", standalone_mode=False)
    except click.ClickException as error:
        error.show()
        return error.exit_code
    except click.Abort as error:
        raise KeyboardInterrupt from error
    except Exception as error:  # noqa: BLE001 - what nobody expected is raised again there
        from flatrender.cli.trouble import lines_of

        lines, code = lines_of(error)
        for line in lines:
            click.echo(f"flatrender: {line}", err=True)
        return code
    return status if isinstance(status, int) else 0
