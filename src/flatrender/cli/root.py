"""The root command. Commands are imported when they are called, so ``--help`` is quick."""

import importlib
import os
import sys
from pathlib import Path
from typing import Any

import click

from flatrender import __version__
from flatrender.errors import DomainError

#: The exit status of a program that Ctrl-C ended (128 + SIGINT), as shells have it.
INTERRUPTED = 130

#: command name -> module that holds a click command of that name (dashes become underscores)
_COMMANDS = {
    "serve": "flatrender.cli.processes",
    "worker": "flatrender.cli.processes",
    "up": "flatrender.cli.local",
    "demo": "flatrender.cli.local",
    "migrate": "flatrender.cli.schema",
    "doctor": "flatrender.cli.doctor",
    "openapi": "flatrender.cli.published",
    "events-schema": "flatrender.cli.published",
    "plugins": "flatrender.cli.published",
    "dead-letters": "flatrender.cli.dead_letters",
}


class _Root(click.Group):
    """Finds the kernel's commands lazily and asks the installed contexts for the rest."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return sorted({*_COMMANDS, *self._context_commands()})

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if module := _COMMANDS.get(cmd_name):
            found: click.Command = getattr(
                importlib.import_module(module), cmd_name.replace("-", "_")
            )
            return found
        return self._context_commands().get(cmd_name)

    def _context_commands(self) -> dict[str, click.Command]:
        from flatrender.plugin import discover

        commands: dict[str, click.Command] = {}
        for plugin in discover().values():
            for command in plugin.commands():
                name = str(command.name)
                commands[name] = _joined(commands[name], command) if name in commands else command
        return commands


def _joined(first: click.Command, second: click.Command) -> click.Command:
    """Return one group of two that contexts offer under the same name."""
    if not isinstance(first, click.Group) or not isinstance(second, click.Group):
        raise click.UsageError(f"two contexts offer the command {first.name!r}")
    if twice := first.commands.keys() & second.commands.keys():
        raise click.UsageError(f"two contexts offer {first.name} {min(twice)!r}")
    return click.Group(
        name=first.name, help=first.help, commands={**first.commands, **second.commands}
    )


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


def _place(error: Exception) -> str:
    """Return " at <address>" of a failed call where httpx knows it, without the query."""
    import httpx

    try:
        url = error.request.url if isinstance(error, httpx.RequestError) else None
    except RuntimeError:  # how httpx says that it does not know
        return ""
    return f" at {url.copy_with(query=None)}" if url is not None else ""


def _run() -> int:
    """Run one command and return the exit status: 0 done, 1 it failed, 2 misuse, 130 Ctrl-C."""
    import httpx
    from asyncpg.exceptions import InterfaceError, PostgresError

    from flatrender.db.migrations import MigrationError
    from flatrender.demo.api import ApiError
    from flatrender.demo.errors import JourneyError
    from flatrender.embedded.errors import EmbeddedError
    from flatrender.plugin import PluginError
    from flatrender.settings import SettingsError
    from flatrender.syslibs import SystemLibraryError

    try:
        status = root(prog_name="flatrender", standalone_mode=False)
    except click.ClickException as error:
        error.show()
        return error.exit_code
    except click.Abort as error:
        raise KeyboardInterrupt from error
    except (SettingsError, PluginError) as error:
        for problem in error.problems:
            click.echo(f"flatrender: {problem}", err=True)
        return 2
    except (
        MigrationError,
        EmbeddedError,
        DomainError,
        ApiError,
        JourneyError,
        SystemLibraryError,
    ) as error:
        said = str(error)
    except httpx.HTTPStatusError as error:
        said = f"{error.request.url.copy_with(query=None)} answered {error.response.status_code}"
    except (httpx.TransportError, httpx.InvalidURL) as error:
        said = f"no server answers{_place(error)}: {str(error) or type(error).__name__}"
    except (InterfaceError, PostgresError) as error:
        said = f"PostgreSQL: {error}; `flatrender doctor` says more"
    except ConnectionError as error:
        said = f"a server did not answer ({error}); `flatrender doctor` says which"
    except OSError as error:
        where = f"{error.filename}: " if error.filename else ""
        said = f"{where}{error.strerror or error}"
    else:
        return status if isinstance(status, int) else 0
    click.echo(f"flatrender: {' '.join(said.split())}", err=True)
    return 1
