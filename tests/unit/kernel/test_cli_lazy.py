"""The command line: what it lists is what is there, and a command loads no more than it needs."""

import subprocess
import sys
from importlib.metadata import EntryPoint
from pathlib import Path

import click
import pytest
from click.testing import CliRunner

from flatrender.cli import lazy
from flatrender.cli.lazy import CommandError, LazyCommand, context_commands
from flatrender.cli.local import up
from flatrender.cli.root import root
from flatrender.cli.trouble import lines_of
from flatrender.storage import StoreError

HEAVY = ("litestar", "sqlalchemy", "asyncpg", "msgspec", "skia", "av", "numpy", "structlog", "rich")
LISTED = """
import sys
from click.testing import CliRunner
from flatrender.cli.root import root
done = CliRunner().invoke(root, sys.argv[1:])
assert done.exit_code == 0, done.output
print(done.output)
print(*sorted(sys.modules), file=sys.stderr)
"""

SERVED = """
import sys
from flatrender.app import create_app
from flatrender.settings import load_settings
create_app(load_settings({}))
print(*sorted(sys.modules), file=sys.stderr)
"""


def _declared() -> list[LazyCommand]:
    ours = list(type(root).own.values()) if isinstance(root, lazy.LazyGroup) else []
    theirs = [command for offered in context_commands().values() for command in offered]
    return [*ours, *theirs]


@pytest.mark.parametrize("declared", _declared(), ids=lambda c: c.target)
def test_what_is_declared_of_a_command_is_what_it_says_itself(declared: LazyCommand) -> None:
    command = declared.load()
    assert command.name == declared.name
    assert command.get_short_help_str(10_000) == declared.help


def test_the_list_reads_as_if_every_command_had_been_imported() -> None:
    context = click.Context(root, info_name="flatrender", terminal_width=80)
    assert isinstance(root, lazy.LazyGroup)
    declared, imported = click.HelpFormatter(width=80), click.HelpFormatter(width=80)
    root.format_commands(context, declared)
    click.Group.format_commands(root, context, imported)
    assert declared.getvalue() == imported.getvalue()


def test_every_context_that_has_commands_is_listed() -> None:
    """Of the platform itself: one command of each."""
    names = root.list_commands(click.Context(root)) if isinstance(root, click.Group) else []
    assert {"serve", "worker", "catalogue", "user", "farm", "template"} <= set(names)


def _loaded(*words: str, code: str = LISTED) -> tuple[str, set[str]]:
    done = subprocess.run(
        [sys.executable, "-c", code, *words], capture_output=True, text=True, check=True
    )
    return done.stdout, set(done.stderr.split())


@pytest.mark.parametrize("words", [("--help",), ("--version",)])
def test_the_list_of_commands_imports_none_of_them(words: tuple[str, ...]) -> None:
    _, modules = _loaded(*words)
    assert modules.isdisjoint(HEAVY)


@pytest.mark.parametrize("command", ["serve", "worker", "template"])
def test_the_help_of_a_command_imports_no_context(command: str) -> None:
    said, modules = _loaded(command, "--help")
    assert said.startswith("Usage: ")
    assert modules.isdisjoint({"litestar", "sqlalchemy", "skia", "av"})


def test_what_serves_draws_nothing_and_maps_no_table_that_it_does_not_write_through() -> None:
    """Either costs every start of every process, and the library its memory."""
    _, modules = _loaded(code=SERVED)
    assert "flatrender_render.plugin" in modules
    assert modules.isdisjoint({"skia", "uharfbuzz", "advanced_alchemy"})
    assert modules.isdisjoint({f"flatrender_{name}.models" for name in ("identity", "render")})


def test_groups_of_one_name_are_one_group() -> None:
    template = root.get_command(click.Context(root), "template")  # type: ignore[attr-defined]
    assert isinstance(template, click.Group)
    assert {"scan", "check", "pack"} <= set(template.commands)  # of content, of render


@click.group(name="same")
def _one() -> None: ...


@_one.command(name="twin")
def _twin() -> None: ...


@pytest.mark.parametrize("second", [_one, _twin])
def test_what_cannot_be_one_group_is_refused(second: click.Command) -> None:
    with pytest.raises(click.UsageError, match="two contexts offer"):
        lazy._joined(_one, second)


def test_a_list_that_cannot_be_imported_is_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    broken = EntryPoint("acme", "no_such_module:COMMANDS", lazy.GROUP)
    monkeypatch.setattr(lazy, "entry_points", lambda group: [broken])
    with pytest.raises(CommandError, match="acme: its commands cannot be imported") as refused:
        context_commands()
    lines, code = lines_of(refused.value)
    assert (len(lines), code) == (1, 2)


def test_a_store_that_does_not_answer_is_one_line() -> None:
    lines, _ = lines_of(StoreError("no connection"))
    assert lines == ["the object store: no connection; `flatrender doctor` says more"]


def test_a_port_that_cannot_be_is_refused_before_anything_starts(tmp_path: Path) -> None:
    told = CliRunner().invoke(up, ["--data", str(tmp_path / "data"), "--port", "99999"])
    assert told.exit_code == 2
    assert "0<=x<=65535" in told.output
    assert not (tmp_path / "data").exists()
