"""Small words about layers: where they are, what they are called, how keys are ordered. Pure."""

import re
from collections.abc import Iterable

from flatrender.template.project_scan import ScanComp, ScanLayer
from flatrender_content.aep.proposal import LayerRef

Placed = tuple[ScanComp, ScanLayer]


def used_colors(
    references: Iterable[tuple[str, LayerRef]], comps: dict[int, ScanComp] | None
) -> dict[str, list[LayerRef]]:
    """Return references by colour; only those in ``comps`` where given."""
    found: dict[str, list[LayerRef]] = {}
    for key, ref in references:
        if comps is None or ref.comp_id in comps:
            found.setdefault(key, []).append(ref)
    return found


def scene_key(name: str) -> str:
    """Return a scene's key: its comp's name in small letters, other signs as ``_``."""
    return re.sub(r"[^a-z0-9]+", "_", name.removeprefix("frc_").lower()).strip("_")


def layer_ref(comp: ScanComp, layer: ScanLayer) -> LayerRef:
    """Return how a layer is found again."""
    return LayerRef(comp=comp.name, comp_id=comp.id, layer=layer.name, layer_id=layer.id)


def place_of(placed: Placed) -> str:
    """Return where a layer is, for people."""
    return f"{placed[0].name}/{placed[1].name}"


def number_of(key: str) -> int:
    """Return the number of a Fix scene."""
    return int(key[1:])


def natural_order(key: str) -> tuple[tuple[int, str], ...]:
    """Order ``t2`` before ``t10``."""
    parts = re.split(r"([0-9]+)", key)
    return tuple((int(part), "") if part.isdigit() else (-1, part) for part in parts)
