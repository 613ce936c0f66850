"""Reading a project file: comps, layers, footage, texts and fonts. Bytes in, Structs out.

Only what the scan tells is looked into; everything else is stepped over. A file that is not what
it says is refused with a code and the byte (``ProjectRefused``), whatever it holds.
"""

import unicodedata
from dataclasses import dataclass, field
from pathlib import PureWindowsPath

from flatrender.template.project_scan import (
    LayerKind,
    ProjectScan,
    ScanComp,
    ScanFootage,
    ScanLayer,
    ScanNote,
    ScanSound,
)
from flatrender_content.aep import fields
from flatrender_content.aep.cos import Value, dig, parse
from flatrender_content.aep.errors import ProjectRefused
from flatrender_content.aep.rifx import Chunk, Limits, Rifx

# Lists below a layer that hold no properties: keyframes and definitions, by far the most bytes.
_OPAQUE = frozenset({b"btdk", b"list", b"parT", b"shap", b"GCky", b"otky"})
_TEXT_MAX = 20_000
_EXPRESSIONS_MAX = 100
_NOTES_MAX = 200
_LAYER_KINDS: dict[int, LayerKind] = {
    fields.LIGHT_LAYER: "light",
    fields.CAMERA_LAYER: "camera",
    fields.TEXT_LAYER: "text",
    fields.SHAPE_LAYER: "shape",
}


@dataclass(slots=True)
class _Properties:
    """What the property tree of one layer told."""

    documents: list[Chunk] = field(default_factory=list)
    expressions: list[str] = field(default_factory=list)


@dataclass(slots=True)
class _Item:
    """A comp or a footage item with the place it was found at."""

    chunk: Chunk
    id: int
    name: str
    folder: str


def read_project(data: bytes, limits: Limits | None = None, *, name: str = "") -> ProjectScan:
    """Return what a project file holds. Raises ``ProjectRefused``."""
    return _Reader(Rifx(data, limits)).read(name)


class _Reader:
    """One reading of one file."""

    def __init__(self, file: Rifx) -> None:
        self._file = file
        self._comps: dict[int, _Item] = {}
        self._footage: dict[int, ScanFootage] = {}
        self._items = 0
        self._layers = 0
        self._notes: list[ScanNote] = []

    def read(self, name: str) -> ProjectScan:
        for chunk in self._file.children(self._file.root):
            if chunk.is_list and chunk.id == b"Fold":
                self._folder(chunk, "")
        if not self._comps:
            raise ProjectRefused("no_comps", self._file.root.start)
        comps = [self._comp(item) for item in self._comps.values()]
        fonts = {font for comp in comps for layer in comp.layers for font in layer.fonts}
        return ProjectScan(
            kind="quick",
            project=name,
            comps=comps,
            footage=list(self._footage.values()),
            fonts=sorted(fonts),
            notes=self._notes,
        )

    def _folder(self, folder: Chunk, path: str) -> None:
        for chunk in self._file.children(folder):
            if chunk.is_list and chunk.id == b"Item":
                self._item(chunk, path)

    def _item(self, item: Chunk, path: str) -> None:
        self._items += 1
        if self._items > self._file.limits.items:
            raise ProjectRefused("too_many_items", item.start, limit=self._file.limits.items)
        kind, item_id, name = 0, 0, None
        pin = below = None
        for chunk in self._file.children(item):
            if chunk.id == b"idta":
                kind, item_id = fields.item_facts(self._file, chunk)
            elif chunk.id == b"Utf8" and name is None:
                name = fields.text_of(self._file.bytes(chunk))
            elif chunk.is_list and chunk.id == b"Pin ":
                pin = chunk
            elif chunk.is_list and chunk.id == b"Sfdr":
                below = chunk
        name = name or ""
        if kind in (fields.COMP, fields.FOOTAGE) and (
            item_id in self._comps or item_id in self._footage
        ):
            raise ProjectRefused("duplicate_item", item.start, value=item_id)
        if kind == fields.FOLDER and below is not None:
            self._folder(below, f"{path}/{name}".strip("/")[:1024])
        elif kind == fields.COMP:
            self._comps[item_id] = _Item(item, item_id, name, path)
        elif kind == fields.FOOTAGE:
            self._footage[item_id] = self._source(pin, item_id, name)

    def _source(self, pin: Chunk | None, item_id: int, name: str) -> ScanFootage:
        form, solid, alias = b"", "", fields.Alias()
        width, height, duration = 0, 0, 0.0
        for chunk in self._file.children(pin) if pin else ():
            if chunk.id == b"sspc":
                width, height, duration = fields.source_facts(self._file, chunk)
            elif chunk.id == b"opti":
                form, solid = fields.option_facts(self._file, chunk)
            elif chunk.is_list and chunk.id == b"Als2":
                for entry in self._file.children(chunk):
                    if entry.id == b"alas":
                        alias = fields.alias_of(self._file, entry)
        path = fields.text_of(alias.fullpath.encode("utf-8", "replace"))
        kind = "image" if alias.target_is_folder else fields.kind_of(path, form)
        return ScanFootage(
            id=item_id,
            name=name or solid or PureWindowsPath(path.replace("/", "\\")).name,
            kind=kind,
            path=path,
            width=width,
            height=height,
            duration=duration,
            sequence=alias.target_is_folder,
        )

    def _comp(self, item: _Item) -> ScanComp:
        facts = None
        layers: list[ScanLayer] = []
        for chunk in self._file.children(item.chunk):
            if chunk.id == b"cdta":
                facts = fields.comp_facts(self._file, chunk)
            elif chunk.is_list and chunk.id == b"Layr":
                self._layers += 1
                if self._layers > self._file.limits.layers:
                    raise ProjectRefused(
                        "too_many_layers", chunk.start, limit=self._file.limits.layers
                    )
                layers.append(self._layer(chunk, item))
        if facts is None:
            raise ProjectRefused(
                "chunk_too_short", item.chunk.start, chunk="cdta", size=0, wanted=160
            )
        return ScanComp(
            id=item.id,
            name=item.name,
            width=facts.width,
            height=facts.height,
            fps=facts.fps,
            duration=facts.duration,
            work_start=facts.work_start,
            work_end=facts.work_end,
            folder=item.folder,
            layers=layers,
        )

    def _layer(self, layer: Chunk, comp: _Item) -> ScanLayer:
        facts, name, found = None, None, _Properties()
        for chunk in self._file.children(layer):
            if chunk.id == b"ldta":
                facts = fields.layer_facts(self._file, chunk)
            elif chunk.id == b"Utf8" and name is None:
                name = fields.text_of(self._file.bytes(chunk))
            elif chunk.is_list and chunk.id == b"tdgp":
                self._properties(chunk, found)
        if facts is None:
            raise ProjectRefused("chunk_too_short", layer.start, chunk="ldta", size=0, wanted=136)
        source = facts.source_id or None
        kind = self._kind(facts, bool(found.documents))
        text, fonts = self._text(found.documents, f"{comp.name}/{name or facts.name}")
        return ScanLayer(
            id=facts.id,
            name=name or facts.name or self._source_name(source),
            kind=kind,
            in_point=facts.in_point,
            out_point=facts.out_point,
            enabled=facts.enabled,
            source_id=source,
            parent_id=facts.parent_id or None,
            text=text,
            fonts=fonts,
            expressions=found.expressions,
            sound=ScanSound(start=facts.start)
            if facts.audible and kind in {"audio", "comp"}
            else None,
        )

    def _source_name(self, source: int | None) -> str:
        if source in self._comps:
            return self._comps[source].name
        return self._footage[source].name if source in self._footage else ""

    def _kind(self, facts: fields.LayerFacts, has_text: bool) -> LayerKind:
        if facts.kind != fields.ASSET_LAYER:
            return _LAYER_KINDS.get(facts.kind, "other")
        if facts.is_null:
            return "null"
        if facts.is_adjustment:
            return "adjustment"
        if facts.source_id in self._comps:
            return "comp"
        if facts.source_id in self._footage:
            return self._footage[facts.source_id].kind
        return "text" if has_text else "other"

    def _properties(self, group: Chunk, found: _Properties, name: str = "") -> None:
        """Collect text documents and expressions below a group; ``name``: its match name."""
        file = self._file
        for chunk in file.children(group):
            if chunk.id == b"tdmn":
                name = fields.text_of(file.bytes(chunk))
            elif not chunk.is_list:
                continue
            elif chunk.id == b"tdbs":
                self._expression(chunk, name, found)
            elif chunk.id == b"btdk":
                found.documents.append(chunk)
            elif chunk.id not in _OPAQUE:
                self._properties(chunk, found, name)

    def _expression(self, chunk: Chunk, name: str, found: _Properties) -> None:
        if len(found.expressions) >= _EXPRESSIONS_MAX or name in found.expressions:
            return
        for inner in self._file.children(chunk):
            if inner.id == b"Utf8" and inner.end > inner.start:
                found.expressions.append(name)
                return

    def _text(self, documents: list[Chunk], place: str) -> tuple[str | None, list[str]]:
        """Return a layer's source text and fonts; a document that cannot be read is a note."""
        for chunk in documents:
            size = chunk.end - chunk.start
            try:
                if size > self._file.limits.text_bytes:
                    raise ProjectRefused("text_invalid", chunk.start, reason=f"{size} bytes")
                return _document(parse(self._file.bytes(chunk), chunk.start))
            except ProjectRefused as refused:
                if len(self._notes) < _NOTES_MAX:
                    self._notes.append(_unreadable(refused, place))
        return None, []


def _unreadable(refused: ProjectRefused, place: str) -> ScanNote:
    return ScanNote(
        code=refused.code,
        place=f"{place}@{refused.offset}",
        message_en=refused.message_en,
        message_fa=refused.message_fa,
    )


def _document(root: Value) -> tuple[str | None, list[str]]:
    """Return the text and the fonts of a text document (its first keyframe's text)."""
    listed = dig(root, "0", "1", "0")
    names = [dig(font, "0", "0", "0") for font in (listed if isinstance(listed, list) else [])]
    frames = dig(root, "1", "1")
    text: str | None = None
    used: dict[str, None] = {}
    for frame in frames if isinstance(frames, list) else []:
        words = dig(frame, "0", "0")
        if text is None and isinstance(words, str):
            text = words.replace("\r\n", "\n").replace("\r", "\n").replace("\x03", "\n")
            text = _printable(text.removesuffix("\n"))[:_TEXT_MAX]
        runs = dig(frame, "0", "6", "0")
        for run in runs if isinstance(runs, list) else []:
            index = dig(run, "0", "0", "6", "0")
            if isinstance(index, float) and 0 <= index < len(names):
                font = names[int(index)]
                if isinstance(font, str) and font:
                    used[fields.text_of(font.encode("utf-8", "replace"))] = None
    return text, list(used)


def _printable(text: str) -> str:
    """Return a text without control characters; joiners and directions are a text's own."""
    return "".join(
        c for c in text if c in "\n\t" or unicodedata.category(c) not in ("Cc", "Cs", "Co", "Cn")
    )
