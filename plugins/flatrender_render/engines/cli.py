"""``flatrender template``: what a designer runs before handing a package over.

Owns the commands' words and exit codes: 0 the package can be imported, 1 it is refused, 2 misuse.
Needs no server and no database.
"""

import json
import tempfile
from collections.abc import Sequence
from pathlib import Path

import click
import msgspec

from flatrender.contracts.render import InspectionNote
from flatrender.template.manifest import json_schema
from flatrender.template.package import (
    PackageProblem,
    PackageRefused,
    TemplatePackage,
    pack_folder,
)


def inspect_package(path: Path) -> tuple[TemplatePackage | None, list[InspectionNote]]:
    """Return the open package (None when it is refused) and every finding, errors first.

    The package's own checks come first; a package that passes is shown to its engine.
    """
    from flatrender_render.engines import engine

    try:
        package = TemplatePackage.open(path)
    except PackageRefused as refused:
        return None, [_note(problem) for problem in refused.problems]
    notes = [_note(problem) for problem in package.warnings]
    notes += engine(package.manifest.engine).inspect(package)
    notes.sort(key=lambda note: note.level != "error")
    if any(note.level == "error" for note in notes):
        package.close()
        return None, notes
    return package, notes


def _note(problem: PackageProblem) -> InspectionNote:
    return InspectionNote(
        level=problem.level,
        code=problem.code,
        place=problem.place,
        message_en=problem.message_en,
        message_fa=problem.message_fa,
    )


@click.group()
def template() -> None:
    """Pack and check template packages and print their format."""


@template.command()
@click.argument("folder", type=click.Path(exists=True, file_okay=False, path_type=Path))
@click.option(
    "-o",
    "--output",
    type=click.Path(dir_okay=False, path_type=Path),
    help="The package; FOLDER.lottie by default.",
)
def pack(folder: Path, output: Path | None) -> None:
    """Make a package of FOLDER: flatrender.json, a/, i/, f/, u/, t/ and poster.png.

    manifest.json and a theme per preset are written from flatrender.json. A package that would be
    refused is not written, and every problem is named.
    """
    target = output or folder.resolve().with_suffix(".lottie")
    try:
        data, left_out = pack_folder(folder)
    except PackageRefused as refused:
        opened, notes = None, [_note(problem) for problem in refused.problems]
    else:
        for name in left_out:
            click.echo(f"left out: {name}", err=True)
        # Beside the target, so that moving it into place is one step of the file system.
        with tempfile.TemporaryDirectory(dir=target.parent, prefix=".pack-") as scratch:
            made = Path(scratch, target.name)
            made.write_bytes(data)
            opened, notes = inspect_package(made)
            if opened is not None:
                opened.close()
                made.replace(target)
    for line in _lines(notes, "en"):
        click.echo(line)
    click.echo(_summary(target, opened, notes))
    raise SystemExit(1 if opened is None else 0)


@template.command()
@click.argument("package", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option("--language", type=click.Choice(["en", "fa"]), default="en", show_default=True)
@click.option("--json", "as_json", is_flag=True, help="Print the findings as JSON.")
def check(package: Path, language: str, as_json: bool) -> None:
    """Print every problem of PACKAGE with its place, and what the engine will not draw."""
    opened, notes = inspect_package(package)
    refused = opened is None
    if as_json:
        click.echo(msgspec.json.format(msgspec.json.encode(notes)))
    else:
        for line in _lines(notes, language):
            click.echo(line)
        click.echo(_summary(package, opened, notes))
    if opened is not None:
        opened.close()
    raise SystemExit(1 if refused else 0)


def _lines(notes: Sequence[InspectionNote], language: str) -> list[str]:
    """One line per finding: level, place, words, code."""
    lines = []
    for note in notes:
        level = click.style(f"{note.level:<8}", fg="red" if note.level == "error" else "yellow")
        words = note.message_fa if language == "fa" else note.message_en
        lines.append(f"{level} {note.place}: {words} [{note.code}]")
    return lines


def _summary(path: Path, opened: TemplatePackage | None, notes: Sequence[InspectionNote]) -> str:
    errors = sum(note.level == "error" for note in notes)
    warnings = len(notes) - errors
    counts = f"{_count(errors, 'error')}, {_count(warnings, 'warning')}"
    if opened is None:
        return f"{path.name}: refused ({counts})"
    manifest = opened.manifest
    aspects = ", ".join(
        f"{variant.aspect} ({_count(len(variant.scenes), 'scene')})"
        for variant in manifest.variants
    )
    return f"{path.name}: {manifest.slug} {manifest.version}, {aspects}; good ({counts})"


def _count(number: int, thing: str) -> str:
    return f"{number} {thing}" + ("s" if number != 1 else "")


@template.command()
def schema() -> None:
    """Print the JSON Schema of flatrender.json (draft 2020-12)."""
    click.echo(json.dumps(json_schema(), indent=2, ensure_ascii=False))
