"""What a scan proposes: a template, named by keys. Plain data, compared and applied later."""

from typing import Any, Literal

from msgspec import Struct

from flatrender.template.after_effects import AepColor, AepFont, AepManifest, AepScene, AepSlot
from flatrender.template.manifest import Aspect, Mode, SceneSound
from flatrender.template.project_scan import ProjectScan, ScanNote


class LayerRef(Struct, frozen=True, kw_only=True):
    """A layer, by names and ids."""

    comp: str
    comp_id: int
    layer: str
    layer_id: int


class ProposedContent(Struct, frozen=True, kw_only=True):
    """A slot of a scene; ``default`` and ``limits`` as the manifest's slot of that type has them.

    ``companions`` are the layers that show it right to left.
    """

    key: str
    type: Literal["text", "image", "number"]
    name: str
    default: str | float | None
    layers: list[LayerRef]
    companions: list[LayerRef] = []
    limits: dict[str, Any] = {}
    width: int = 0
    height: int = 0


class ProposedScene(Struct, frozen=True, kw_only=True):
    """A scene. ``comp`` is what it plays in; ``start`` its place in the final comp, in seconds."""

    key: str
    name: str
    comp: str
    comp_id: int
    duration: float
    start: float = 0.0
    in_default: bool = True
    repeatable: bool = False
    removable: bool = False
    container: LayerRef | None = None
    sounds: list[SceneSound] = []
    contents: list[ProposedContent] = []
    colors: dict[str, list[LayerRef]] = {}


class ProposedColor(Struct, frozen=True, kw_only=True):
    """A shared colour (``#rrggbb`` or ``#rrggbbaa``) or switch (``0`` to ``3``)."""

    key: str
    kind: Literal["color", "switch"]
    default: str
    scale: Literal[1, 255]
    layer: LayerRef


class Proposal(Struct, frozen=True, kw_only=True):
    """The graph of one aspect. With ``problems`` it can be looked at and not applied."""

    comp: str = ""
    mode: Mode = "Fix"
    aspect: Aspect | None = None
    width: int = 0
    height: int = 0
    fps: int = 0
    duration: float = 0.0
    scenes: list[ProposedScene] = []
    colors: list[ProposedColor] = []
    problems: list[ScanNote] = []
    notes: list[ScanNote] = []


def manifest_of(proposal: Proposal, scan: ProjectScan) -> AepManifest:
    """Return ``flatrender.json`` of the bundle that engines get."""
    folder = scan.project.rpartition("/")[0]
    inside = f"{folder}/" if folder else ""
    return AepManifest(
        project=scan.project or "project.aep",
        comp=proposal.comp,
        mode=proposal.mode,
        scenes=[_scene(scene, proposal) for scene in proposal.scenes],
        colors=[
            AepColor(key=c.key, layer=c.layer.layer, kind=c.kind, default=c.default, scale=c.scale)
            for c in proposal.colors
        ],
        fonts=[font_of(name) for name in scan.fonts],
        footage=sorted(
            {
                item.bundled.removeprefix(inside)
                for item in scan.footage
                # A sequence is a folder, and what lies above the project has no place beside it.
                if item.bundled and not item.sequence and item.bundled.startswith(inside)
            }
        ),
    )


def font_of(postscript: str) -> AepFont:
    """Return a font by its PostScript name: family and style are said by ``Family-Style``."""
    family, _, style = postscript.partition("-")
    return AepFont(family=family, style=style or "Regular", postscript=postscript)


def _scene(scene: ProposedScene, proposal: Proposal) -> AepScene:
    return AepScene(
        key=scene.key,
        comp="" if scene.comp == proposal.comp else scene.comp,
        duration=scene.duration,
        container=scene.container.layer if scene.container else "",
        slots=[
            AepSlot(
                id=content.key,
                type=content.type,
                layer=content.layers[0].layer,
                companion=content.companions[0].layer if content.companions else "",
                width=content.width,
                height=content.height,
            )
            for content in scene.contents
        ],
    )
