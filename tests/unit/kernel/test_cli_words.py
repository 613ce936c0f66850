"""What a person reads on the command line: wrapping, one line for trouble, exit statuses."""

import importlib
import io
import sys
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path

import asyncpg
import click
import httpx
import pytest
from rich.console import Console

from flatrender.cli import main as program
from flatrender.cli import words
from flatrender.demo.errors import ChoiceError
from flatrender.demo.progress import Bar, render_progress
from flatrender.doctor.local import judge_local
from flatrender.settings import SettingsError, read_environment_file

LONG = "one sentence that is a good deal longer than what fits into eighty columns of a terminal"


class _Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_a_pipe_gets_whole_lines_without_escape_codes(capsys: pytest.CaptureFixture[str]) -> None:
    words.say(LONG, label="error", indent=9, color="red")
    assert capsys.readouterr().out == f"error    {LONG}\n"


def test_a_line_without_a_label_begins_at_the_edge(capsys: pytest.CaptureFixture[str]) -> None:
    words.say("nothing waits")
    assert capsys.readouterr().out == "nothing waits\n"


def test_a_terminal_gets_whole_words_below_each_other(monkeypatch: pytest.MonkeyPatch) -> None:
    screen = _Terminal()
    monkeypatch.setattr(sys, "stdout", screen)
    monkeypatch.setenv("COLUMNS", "80")
    words.say(LONG, label="error", indent=9, color="red")
    first, second = click.unstyle(screen.getvalue()).splitlines()
    assert first != second
    assert max(len(first), len(second)) <= 80
    assert second.startswith(" " * 9)
    assert f"{first[9:]} {second.strip()}" == LONG


def test_a_label_never_touches_the_text(capsys: pytest.CaptureFixture[str]) -> None:
    words.say("text", label="a-long-context-name", indent=14)
    assert capsys.readouterr().out == "a-long-context-name text\n"


def _console(screen: io.StringIO) -> Console:
    return Console(file=screen, width=80, highlight=False)


def test_a_log_gets_a_line_per_tenth_at_most() -> None:
    screen = io.StringIO()
    with render_progress(_console(screen), 627) as progress:
        for frame in range(0, 627, 3):
            progress.show("Rendering", frame)
        progress.show("Done", 627)
    lines = screen.getvalue().splitlines()
    said = [int(line.split()[0]) for line in lines]
    assert said[-1] == 100
    assert all(later - earlier >= 10 for earlier, later in pairwise([0, *said[:-1]]))
    assert lines[-1].split() == ["100", "%", "Done"]
    assert "\x1b" not in screen.getvalue()


def test_a_terminal_gets_a_bar() -> None:
    console = Console(file=_Terminal(), force_terminal=True, width=80)
    assert isinstance(render_progress(console, 10), Bar)


@pytest.fixture
def fails(monkeypatch: pytest.MonkeyPatch) -> Callable[[BaseException], int]:
    """Run the program with a command that raises, and return its exit status."""
    importlib.import_module("flatrender.cli.root")

    def run(error: BaseException) -> int:
        @click.command()
        def broken() -> None:
            raise error

        monkeypatch.setattr(sys.modules["flatrender.cli.root"], "root", broken)
        monkeypatch.setattr(sys, "argv", ["flatrender"])
        with pytest.raises(SystemExit) as ended:
            program()
        return int(ended.value.code or 0)

    return run


@pytest.mark.parametrize(
    ("error", "status", "said"),
    [
        (ChoiceError("--aspect: none"), 1, "flatrender: --aspect: none"),
        (SettingsError(["a is wrong"]), 2, "flatrender: a is wrong"),
        (OSError(28, "No space left on device", "out.mp4"), 1, "out.mp4: No space left on device"),
        (ConnectionRefusedError(111, "refused"), 1, "a server did not answer"),
        (httpx.ConnectError("refused"), 1, "flatrender: no server answers: refused"),
        (asyncpg.InvalidPasswordError("no such\npassword"), 1, "PostgreSQL: no such password"),
        (click.UsageError("no such option"), 2, "no such option"),
        (KeyboardInterrupt(), 130, "stopped"),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, BaseException) else "",
)
def test_trouble_is_one_line(
    fails: Callable[[BaseException], int],
    capsys: pytest.CaptureFixture[str],
    error: BaseException,
    status: int,
    said: str,
) -> None:
    assert fails(error) == status
    shown = capsys.readouterr()
    assert said in shown.err
    assert "Traceback" not in shown.err
    assert shown.out == ""


def test_an_environment_file_is_read_as_a_shell_reads_it(tmp_path: Path) -> None:
    file = tmp_path / "up.env"
    file.write_text(
        "# a comment\n\nFLATRENDER_A=plain\nexport FLATRENDER_B='two words # kept'  # not kept\n"
        "FLATRENDER_C=\nFLATRENDER_D=redis://:p%20w@h:1/0\n"
    )
    assert read_environment_file(file) == {
        "FLATRENDER_A": "plain",
        "FLATRENDER_B": "two words # kept",
        "FLATRENDER_C": "",
        "FLATRENDER_D": "redis://:p%20w@h:1/0",
    }


def test_a_bad_environment_file_names_its_lines(tmp_path: Path) -> None:
    file = tmp_path / "bad.env"
    file.write_text("A=1\nB = 2\nC='open\nD\n")
    with pytest.raises(SettingsError) as refused:
        read_environment_file(file)
    assert [problem.split(":")[1] for problem in refused.value.problems] == ["2", "3", "4"]
    with pytest.raises(SettingsError, match="cannot be read: No such file"):
        read_environment_file(tmp_path / "none.env")


@pytest.mark.parametrize(
    ("port_of_up", "configured", "levels", "said"),
    [
        ("15001", False, ["ok"], "these are the servers"),
        ("15002", False, ["warning"], "name other servers"),
        ("15002", True, ["warning"], "name other servers"),
        (None, False, ["warning"], "default addresses"),
        (None, True, [], ""),
    ],
)
def test_the_doctor_says_whose_servers_it_looks_at(
    port_of_up: str | None, configured: bool, levels: list[str], said: str
) -> None:
    found = judge_local(
        Path(".flatrender/up.env"), port_of_up=port_of_up, our_port=15001, configured=configured
    )
    assert [finding.level for finding in found] == levels
    assert all(said in finding.what for finding in found)
    if said == "name other servers":
        assert "flatrender --env .flatrender/up.env doctor" in found[0].fix


def test_the_program_is_the_one_that_pip_installs() -> None:
    from importlib.metadata import entry_points

    (script,) = entry_points(group="console_scripts", name="flatrender")
    assert script.load() is program
