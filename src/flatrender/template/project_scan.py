"""What a scan of an After Effects project finds: the same Structs from both kinds of scan.

The quick scan reads the project file on the server, the full one asks After Effects on a node;
both give a :class:`ProjectScan`, so that nothing after them needs to know which it was. Times are
seconds, sizes pixels, names as the designer wrote them. Knows no file format.
"""

from typing import Annotated, Literal

from msgspec import Meta, Struct

ScanKind = Literal["quick", "full"]
LayerKind = Literal[
    "text", "shape", "solid", "null", "adjustment", "comp", "image", "video", "audio",
    "placeholder", "camera", "light", "other",
]  # fmt: skip
FootageKind = Literal["image", "video", "audio", "solid", "placeholder", "other"]
Name = Annotated[str, Meta(max_length=1024)]
LONGEST = 86_400.0  # seconds of a comp


class ScanNote(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """A finding that hinders nothing; ``place`` is a comp, a layer or a file."""

    code: str
    place: str
    message_en: str
    message_fa: str


class ScanSound(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """That a layer is heard. ``start`` is the comp's second at which its source begins.

    ``level_db`` is its level as it begins; ``varies`` says that level or speed change in time. A
    quick scan knows neither: it says 0 and False.
    """

    start: float
    level_db: Annotated[float, Meta(ge=-1000, le=1000)] = 0.0
    varies: bool = False


class ScanLayer(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """A layer of a comp. ``in_point`` and ``out_point`` are the comp's seconds.

    ``text`` is the source text of a text layer, line breaks as ``\\n``; ``fonts`` the PostScript
    names it uses; ``expressions`` the match names of properties that an expression drives.
    ``sound`` is None for a layer that is not heard; a comp's layer is heard when what is in it is.
    """

    id: int
    name: Name
    kind: LayerKind
    in_point: float
    out_point: float
    enabled: bool = True
    source_id: int | None = None
    parent_id: int | None = None
    text: Annotated[str, Meta(max_length=20_000)] | None = None
    fonts: list[str] = []
    expressions: list[str] = []
    sound: ScanSound | None = None


class ScanComp(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """A comp. ``folder`` is its place in the project panel, parts joined by ``/``.

    ``essentials`` are the names of its essential properties; only a full scan knows them.
    """

    id: int
    name: Name
    width: Annotated[int, Meta(ge=1, le=65_535)]
    height: Annotated[int, Meta(ge=1, le=65_535)]
    fps: Annotated[float, Meta(gt=0, le=999)]
    duration: Annotated[float, Meta(gt=0, le=LONGEST)]
    work_start: float = 0.0
    work_end: float = 0.0
    folder: str = ""
    layers: list[ScanLayer] = []
    essentials: list[Name] = []


class ScanFootage(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """A footage item. ``path`` is what the project refers to, on the designer's machine.

    ``bundled`` is the file of the bundle that takes its place; ``missing`` says that a layer needs
    it and nothing does. ``sequence``: the path is a folder of numbered pictures.
    """

    id: int
    name: Name
    kind: FootageKind
    path: str = ""
    width: int = 0
    height: int = 0
    duration: float = 0.0
    sequence: bool = False
    bundled: str | None = None
    missing: bool = False


class ProjectScan(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """A whole project. ``project`` is the .aep's path in its bundle (its name without one).

    ``substituted`` are fonts that the machine of a full scan lacks, by PostScript name.
    """

    kind: ScanKind
    project: str = ""
    comps: list[ScanComp]
    footage: list[ScanFootage] = []
    fonts: list[str] = []
    substituted: list[str] = []
    notes: list[ScanNote] = []
