"""A proposal held against a template's present graph: what applying it would do. Pure.

Rows of both sides are named by paths (``project``, ``scenes/c1``, ``scenes/c1/contents/c1t1``,
``colors/primary``) and never by ids. Fields that an administrator edited by hand keep their value;
what the project no longer has is an orphan, listed and left alone; a deleted row that the project
has again comes back instead of being made a second time.
"""

import hashlib
from collections.abc import Collection, Iterator, Mapping
from typing import Any, Literal

import msgspec
from msgspec import Struct

from flatrender_content.aep.proposal import LayerRef, Proposal

Change = Literal["added", "changed", "revived", "kept", "orphan", "unchanged"]
Row = dict[str, Any]
_TOGETHER = ("duration", "min_duration", "max_duration")  # one alone could contradict the others
_TOLERANCE = 1e-6


class PresentRow(Struct, frozen=True, kw_only=True):
    """A row as it is; ``fields`` by column."""

    fields: dict[str, Any]
    manual: list[str]
    deleted: bool


Graph = dict[str, PresentRow]


class FieldDiff(Struct, frozen=True, kw_only=True):
    """One column; ``kept`` says that an edit by hand stays and the proposal is not taken."""

    name: str
    present: Any
    proposed: Any
    kept: bool


class DiffEntry(Struct, frozen=True, kw_only=True):
    """One row. ``kept``: all that differs was edited by hand."""

    path: str
    change: Change
    fields: list[FieldDiff] = []


class Choice(Struct, frozen=True, kw_only=True):
    """What of a diff is to be applied; ``skip`` and ``remove`` are paths of its entries."""

    add: bool = True
    change: bool = True
    revive: bool = True
    skip: frozenset[str] = frozenset()
    remove: frozenset[str] = frozenset()


def proposed_rows(proposal: Proposal) -> dict[str, Row]:
    """Return every row of a proposal by path, parents first."""
    rows: dict[str, Row] = {
        "project": {
            "width": proposal.width,
            "height": proposal.height,
            "fps": proposal.fps,
            "duration": proposal.duration,
            "final_comp": proposal.comp,
        }
    }
    for at, color in enumerate(proposal.colors):
        rows[f"colors/{color.key}"] = {
            "kind": color.kind,
            "default_value": color.default,
            **_named(color.key),
            "position": at,
        }
    for at, scene in enumerate(proposal.scenes):
        rows[f"scenes/{scene.key}"] = {
            **_named(scene.name),
            "animation": scene.comp,
            "duration": scene.duration,
            "min_duration": scene.duration,
            "max_duration": scene.duration,
            "in_default": scene.in_default,
            "repeatable": scene.repeatable,
            "removable": scene.removable,
            "sounds": msgspec.to_builtins(scene.sounds),
            "position": at,
        }
        for place, content in enumerate(scene.contents):
            rows[f"scenes/{scene.key}/contents/{content.key}"] = {
                "type": content.type,
                **_named(content.name),
                "default_value": content.default,
                "limits": content.limits,
                "position": place,
            }
    return rows


def sources(proposal: Proposal) -> dict[str, Row]:
    """Return where the project has each scene and slot, by path."""
    found: dict[str, Row] = {}
    for scene in proposal.scenes:
        found[f"scenes/{scene.key}"] = {
            "comp": scene.comp,
            "comp_id": scene.comp_id,
            "start": scene.start,
            "container": _plain([scene.container] if scene.container else []),
        }
        for content in scene.contents:
            found[f"scenes/{scene.key}/contents/{content.key}"] = {
                "layers": _plain(content.layers),
                "companions": _plain(content.companions),
            }
    return found


def compare(proposal: Proposal, present: Graph) -> list[DiffEntry]:
    """Return what applying the whole proposal would do; rows that stay as they are left out."""
    wanted = proposed_rows(proposal)
    entries = [_entry(path, row, present.get(path)) for path, row in wanted.items()]
    gone = [
        DiffEntry(path=path, change="orphan")
        for path, row in present.items()
        # What hangs on an orphan goes without saying.
        if path not in wanted and not row.deleted and _parent(path) not in present.keys() - wanted
    ]
    return [entry for entry in entries if entry.change != "unchanged"] + gone


def chosen(entries: Collection[DiffEntry], present: Graph, choice: Choice) -> Iterator[str]:
    """Yield the paths to be written: those chosen whose parents are there or written too."""
    allowed = {"added": choice.add, "changed": choice.change, "revived": choice.revive}
    written: set[str] = set()
    for entry in entries:
        if not allowed.get(entry.change, False) or entry.path in choice.skip:
            continue
        parent = _parent(entry.path)
        live = parent in present and not present[parent].deleted
        if parent and not live and parent not in written:
            continue
        written.add(entry.path)
        yield entry.path


def graph_tag(facts: Mapping[str, Any], present: Graph) -> str:
    """Return the entity tag of a template's graph: any change of it gives another."""
    data = msgspec.json.encode([facts, present], order="deterministic")
    return f'"g{hashlib.sha256(data).hexdigest()[:32]}"'


def _entry(path: str, row: Row, present: PresentRow | None) -> DiffEntry:
    if present is None:
        fields = [FieldDiff(name=n, present=None, proposed=v, kept=False) for n, v in row.items()]
        return DiffEntry(path=path, change="added", fields=fields)
    fields = [
        FieldDiff(
            name=name,
            present=present.fields.get(name),
            proposed=value,
            kept=_is_manual(name, present.manual),
        )
        for name, value in row.items()
        if not _same(present.fields.get(name), value)
    ]
    if present.deleted:
        kept = "deleted_at" in present.manual
        return DiffEntry(path=path, change="kept" if kept else "revived", fields=fields)
    if not fields:
        return DiffEntry(path=path, change="unchanged")
    change: Change = "kept" if all(field.kept for field in fields) else "changed"
    return DiffEntry(path=path, change=change, fields=fields)


def _is_manual(name: str, manual: Collection[str]) -> bool:
    if name in _TOGETHER:
        return not set(_TOGETHER).isdisjoint(manual)
    return name in manual


def _same(present: Any, proposed: Any) -> bool:
    if isinstance(present, int | float) and isinstance(proposed, int | float):
        return abs(present - proposed) <= _TOLERANCE
    return bool(present == proposed)


def _named(name: str) -> Row:
    return {"name_fa": name or "-", "name_en": name or "-"}


def _plain(layers: list[LayerRef]) -> list[Any]:
    return [msgspec.to_builtins(layer) for layer in layers]


def _parent(path: str) -> str:
    return path.rpartition("/contents/")[0]
