"""Printing for people: wrapped to the terminal's width, whole and plain when piped."""

import shutil
import sys
import textwrap

import click


def say(text: str, *, label: str = "", indent: int = 0, color: str | None = None) -> None:
    """Print ``text`` after ``label``, further lines hanging under its first word.

    ``indent`` is the column where the text begins. In a terminal words wrap at its width and the
    label takes ``color``; a pipe or a file gets one line without escape codes, however long, so
    that ``grep`` finds whole sentences.
    """
    head = (f"{label} " if label else "").ljust(indent)
    if not sys.stdout.isatty():
        click.echo(head + text)
        return
    lines = textwrap.wrap(
        text,
        max(shutil.get_terminal_size().columns - indent, 24),
        break_long_words=False,
        break_on_hyphens=False,
    ) or [""]
    click.echo((click.style(head, fg=color) if color else head) + lines[0])
    for line in lines[1:]:
        click.echo(" " * indent + line)
