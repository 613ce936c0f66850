"""``flatrender.json`` inside an After Effects bundle: what the engine binds a customer's edits to.

A bundle is a zip of one project file, its footage and this manifest, written when a scan is
applied. Every place is named by comp and layer, as they are called in the project and by their
ids in it. Values stay nested by scene: two scenes may use the same key and never meet
(:func:`binding_key`).
"""

from typing import Annotated, Literal

from msgspec import Meta, Struct

from flatrender.template.manifest import Aspect, Hex, Key, Mode

MANIFEST = "flatrender.json"
SHARED_COMP = "frshare"
FINAL_COMPS: dict[str, tuple[Mode, ...]] = {
    "frfinal": ("Fix", "MusicVisualizer"),
    "flatrender": ("Flexible", "Mockup"),
}
ContentType = Literal["text", "image", "number"]
BundlePath = Annotated[str, Meta(min_length=1, max_length=400)]


class LayerRef(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """A layer: the name and the id of its comp, its own name and id."""

    comp: str
    comp_id: int
    layer: str
    layer_id: int


class AeContent(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """A slot. Its value goes into all of ``layers``; ``companions`` show it right to left.

    ``visible`` is False for data that drives expressions (``frd_``).
    """

    key: Key
    type: ContentType
    layers: Annotated[list[LayerRef], Meta(min_length=1)]
    companions: list[LayerRef] = []
    visible: bool = True


class AeScene(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """A scene: the comp it plays in, or the layers of one when it shares the comp with others.

    ``container`` is the layer that is duplicated with it (``frc_``); ``duration`` is seconds.
    """

    key: Key
    comp: str
    comp_id: int
    duration: Annotated[float, Meta(gt=0)]
    contents: list[AeContent] = []
    colors: list[Key] = []
    container: LayerRef | None = None
    directions: list[LayerRef] = []


class AeColor(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """A text layer of ``frshare``: four numbers RGBA, or one integer 0-3 that switches variants.

    ``scale`` is what the numbers count to: 1 or 255.
    """

    key: Key
    kind: Literal["color", "switch"]
    layer: LayerRef
    default: Hex | Annotated[str, Meta(pattern=r"^[0-3]$")]
    scale: Literal[1, 255] = 1


class AeFootage(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """A file the project refers to by ``path`` and the file of the bundle that takes its place."""

    item_id: int
    path: str
    bundled: BundlePath


class AePackage(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """The whole manifest. ``project`` is the .aep's path in the zip, ``comp`` what is rendered."""

    format: Literal[1] = 1
    engine: Literal["aerender"] = "aerender"
    project: BundlePath
    comp: Literal["frfinal", "flatrender"]
    mode: Mode
    aspect: Aspect
    width: int
    height: int
    fps: Annotated[int, Meta(ge=1, le=60)]
    duration: Annotated[float, Meta(gt=0)]
    scenes: Annotated[list[AeScene], Meta(min_length=1)]
    colors: list[AeColor] = []
    footage: list[AeFootage] = []
    fonts: list[str] = []


def binding_key(scene: str, content: str) -> str:
    """Return the one name of a content among all of a project's.

    ``.`` is in no key, so different pairs never meet (``a`` + ``b_c``, ``a_b`` + ``c``).
    """
    return f"{scene}.{content}"
