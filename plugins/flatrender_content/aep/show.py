"""A scan for people: a tree in the terminal, or JSON for programs."""

from collections.abc import Iterator
from pathlib import Path

import click
import msgspec

from flatrender.template.manifest import Mode
from flatrender.template.problems import PackageRefused
from flatrender.template.project_scan import ProjectScan, ScanNote
from flatrender_content.aep.bundle import scan_file
from flatrender_content.aep.naming import propose
from flatrender_content.aep.proposal import Proposal, ProposedScene

_LAYERS_SHOWN = 40


def show(source: Path, mode: str | None, *, as_json: bool) -> int:
    """Print what ``source`` holds; return the exit status: 0 understood, 1 not."""
    try:
        scan = scan_file(source, name=source.name)
    except PackageRefused as refused:
        for found in refused.problems:
            click.echo(f"error    {found.place}: {found.message_en} [{found.code}]")
        click.echo(f"{source.name}: refused")
        return 1
    names = {comp.name for comp in scan.comps}
    guessed = "Flexible" if "flatrender" in names and "frfinal" not in names else "Fix"
    proposal = propose(scan, msgspec.convert(mode or guessed, Mode))
    if as_json:
        data = msgspec.json.encode({"scan": scan, "proposal": proposal})
        click.echo(msgspec.json.format(data).decode())
    else:
        for line in _lines(source.name, scan, proposal):
            click.echo(line)
    return 1 if proposal.problems else 0


def _lines(name: str, scan: ProjectScan, proposal: Proposal) -> Iterator[str]:
    yield click.style(name, bold=True) + (f" ({scan.project})" if scan.project != name else "")
    yield "comps"
    for comp in scan.comps:
        place = f"{comp.folder}/{comp.name}".strip("/")
        yield f"  {place}  {comp.width}x{comp.height}, {comp.fps:g} fps, {comp.duration:g} s"
        for layer in comp.layers[:_LAYERS_SHOWN]:
            text = f"  {_short(layer.text)}" if layer.text else ""
            driven = "  (expression)" if layer.expressions else ""
            yield f"    {layer.kind:<11} {layer.name}{text}{driven}"
        if len(comp.layers) > _LAYERS_SHOWN:
            yield f"    and {len(comp.layers) - _LAYERS_SHOWN} more layers"
    files = [item for item in scan.footage if item.path]
    if files:
        yield "footage"
        for item in files:
            where = "MISSING" if item.missing else item.bundled or "not used"
            yield f"  {item.path}  {where}"
    if scan.fonts:
        yield "fonts  " + ", ".join(scan.fonts)
    if proposal.scenes:
        yield (
            f"template  {proposal.mode}, {proposal.aspect or '?'}, {proposal.fps} fps, "
            f"{proposal.duration:g} s"
        )
        for scene in proposal.scenes:
            yield from _scene(scene)
    for color in proposal.colors:
        yield f"  colour {color.key} {color.default}"
    yield from (_finding("warning", "yellow", note) for note in proposal.notes)
    yield from (_finding("error", "red", note) for note in proposal.problems)


def _scene(scene: ProposedScene) -> Iterator[str]:
    more = ", repeatable" if scene.repeatable else ""
    yield f"  scene {scene.key}  {scene.comp}, {scene.duration:g} s{more}"
    for content in scene.contents:
        default = f"  {_short(str(content.default))}" if content.default is not None else ""
        yield f"    {content.type:<7} {content.key}{default}"


def _finding(level: str, color: str, note: ScanNote) -> str:
    place = f"{note.place}: " if note.place else ""
    return f"{click.style(f'{level:<8}', fg=color)} {place}{note.message_en} [{note.code}]"


def _short(text: str) -> str:
    line = " / ".join(text.split("\n"))
    return f'"{line}"' if len(line) <= 50 else f'"{line[:49]}…"'
