"""The root command. Commands are imported when they are called, so ``--help`` is quick."""

import importlib
import sys
from typing import Any

import click

from flatrender import __version__
from flatrender.errors import DomainError

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
                commands[str(command.name)] = command
        return commands


@click.group(cls=_Root, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="flatrender")
def root() -> None:
    """FlatRender: template videos, from the template to the finished file."""


def fail(message: str, *, code: int = 1) -> "Any":
    """Print one clear line on standard error and leave with ``code``."""
    click.echo(f"flatrender: {message}", err=True)
    raise SystemExit(code)


def main() -> None:
    """Run the command line; expected trouble is one line, never a traceback."""
    import httpx

    from flatrender.db.migrations import MigrationError
    from flatrender.demo.api import ApiError
    from flatrender.embedded.errors import EmbeddedError
    from flatrender.plugin import PluginError
    from flatrender.settings import SettingsError
    from flatrender.syslibs import SystemLibraryError

    try:
        root(prog_name="flatrender", standalone_mode=True)
    except (SettingsError, PluginError) as error:
        for problem in error.problems:
            click.echo(f"flatrender: {problem}", err=True)
        sys.exit(2)
    except (MigrationError, EmbeddedError, DomainError, ApiError, SystemLibraryError) as error:
        click.echo(f"flatrender: {error}", err=True)
        sys.exit(1)
    except (httpx.ConnectError, httpx.UnsupportedProtocol) as error:
        click.echo(f"flatrender: no server answers at {error.request.url}: {error}", err=True)
        sys.exit(1)
    except ConnectionRefusedError as error:
        click.echo(
            f"flatrender: a server did not answer ({error}); `flatrender doctor` says which",
            err=True,
        )
        sys.exit(1)
