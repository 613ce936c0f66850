"""Commands that are known by name and one line of help, and imported when somebody runs them.

A context names its own in a module that imports nothing else, registered under the entry point
group ``flatrender.commands``: ``flatrender --help`` lists every context's commands without
importing a context, and a command loads no other.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib import import_module
from importlib.metadata import entry_points

import click

GROUP = "flatrender.commands"


class CommandError(Exception):
    """The commands of a context cannot be listed or do not go together. Its text is one line."""


@dataclass(frozen=True, slots=True)
class LazyCommand:
    """A click command at ``target`` (``package.module:attribute``).

    ``help`` is the first sentence of its help, for the list of commands.
    """

    name: str
    target: str
    help: str

    def load(self) -> click.Command:
        """Import the command."""
        module, _, attribute = self.target.partition(":")
        command: click.Command = getattr(import_module(module), attribute)
        return command


def context_commands() -> dict[str, list[LazyCommand]]:
    """Return command name -> what the installed contexts offer under it, by context name.

    Raises :class:`CommandError` when a context's list cannot be imported.
    """
    found: dict[str, list[LazyCommand]] = {}
    for point in sorted(entry_points(group=GROUP), key=lambda p: p.name):
        try:
            commands: Sequence[LazyCommand] = point.load()
        except Exception as error:
            raise CommandError(
                f"{point.name}: its commands cannot be imported from {point.value}: {error!r}"
            ) from error
        for command in commands:
            found.setdefault(command.name, []).append(command)
    return found


class LazyGroup(click.Group):
    """The commands of the kernel, given here, and those of the installed contexts."""

    #: command name -> the kernel's command of that name
    own: Mapping[str, LazyCommand] = {}

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Return every name, sorted."""
        return sorted({*self.own, *context_commands()})

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Import one command; two groups of one name become one group."""
        if mine := self.own.get(cmd_name):
            return mine.load()
        offered = [command.load() for command in context_commands().get(cmd_name, ())]
        if not offered:
            return None
        first, *others = offered
        for other in others:
            first = _joined(first, other)
        return first

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the list of commands from what is declared of them; none is imported."""
        lines = {name: offered[0].help for name, offered in context_commands().items()}
        lines.update({name: command.help for name, command in self.own.items()})
        room = formatter.width - 6 - max(map(len, lines))
        with formatter.section("Commands"):
            formatter.write_dl(
                [
                    (name, click.Command(name, help=line).get_short_help_str(room))
                    for name, line in sorted(lines.items())
                ]
            )


def _joined(first: click.Command, second: click.Command) -> click.Command:
    """Return one group of two that contexts offer under the same name."""
    if not isinstance(first, click.Group) or not isinstance(second, click.Group):
        raise click.UsageError(f"two contexts offer the command {first.name!r}")
    if twice := first.commands.keys() & second.commands.keys():
        raise click.UsageError(f"two contexts offer {first.name} {min(twice)!r}")
    return click.Group(
        name=first.name, help=first.help, commands={**first.commands, **second.commands}
    )
