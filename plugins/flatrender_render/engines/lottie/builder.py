"""Builds compositions and layers from the raw file, once; everything is checked here.

After this nothing can fail while drawing: types, sizes, references, rings of parents, mattes and
precompositions have all been looked at. Parts of layers are remembered by the identity of their raw
object, so that an animation with other slot values shares what did not change.
"""

from dataclasses import dataclass, field
from typing import Any, Literal

from .assets import AssetSource, ImageValue, picture
from .blend import blend_mode
from .composition import Composition
from .content import Content, ImageContent, PrecompContent, SolidContent, TextContent
from .effects import Effects, parse_effects, parse_styles
from .errors import InvalidLottieError, LottieLimitError, PrecompCycleError
from .layers import Layer
from .masks import Masks, parse_masks
from .mattes import Matte, matte_mode
from .properties import scalar
from .raster import Stills
from .reader import Document, Obj
from .shapes.content import ShapeContent
from .stillness import STILL, Stillness, stillness, together
from .text import FontBook, TextContext, TextLayer
from .transform import Transform

Reading = Literal["ltr", "rtl"]

PRECOMP, SOLID, IMAGE, NULL, SHAPE, TEXT, AUDIO, CAMERA = 0, 1, 2, 3, 4, 5, 6, 13

NOT_DRAWN = {7: "placeholder layer", 8: "image sequence", 9: "video layer", 15: "data layer"}


@dataclass(slots=True)
class Parts:
    """What one raw layer says, references to other layers and compositions apart."""

    raw: dict[str, Any]  # kept alive: its identity is the key
    transform: Transform
    content: Content | None
    masks: Masks | None
    effects: Effects | None
    styles: Effects | None
    motion: Stillness


@dataclass(slots=True)
class Sources:
    """Where an animation's fonts and pictures come from."""

    assets: AssetSource | None
    fonts: FontBook
    direction: Reading
    images: dict[str, ImageValue] = field(default_factory=dict)


class Builder:
    """Builds one animation; takes from a sibling's builder what that has read already."""

    def __init__(self, root: Obj, sources: Sources, sibling: "Builder | None" = None) -> None:
        self.root = root
        self.doc: Document = root.doc
        self.sources = sources
        self.parts: dict[int, Parts] = dict(sibling.parts) if sibling is not None else {}
        self.assets: dict[str, Obj] = {}
        for asset in root.objects("assets"):
            self.assets.setdefault(asset.text("id"), asset)
        self.compositions: dict[str, tuple[Composition, int]] = {}
        # By the identity of the raw asset, which is kept alive beside it.
        self.pictures: dict[int, tuple[Any, Content]] = (
            dict(sibling.pictures) if sibling is not None else {}
        )
        self.open: list[str] = []
        self.stills = Stills()
        self.own_motions: dict[int, Stillness] = {}
        self.motions: dict[int, Stillness] = {}
        self.text = TextContext(root, sources.fonts, direction=sources.direction)

    def build(self) -> Composition:
        """Build the main composition."""
        root = self.root
        composition, _ = self._composition(root, root.num("w"), root.num("h"))
        return composition

    def _composition(self, holder: Obj, width: float, height: float) -> tuple[Composition, int]:
        """Build the layers of one composition; also return how many draws it costs."""
        objs = list(holder.objects("layers"))
        self.doc.count("layers", len(objs), self.doc.limits.layers, holder)
        layers: list[Layer] = []
        costs: list[int] = []
        for obj in objs:
            layer, cost = self._layer(obj)
            layers.append(layer)
            costs.append(cost)
        by_index: dict[int, int] = {
            layer.index: n
            for n, layer in reversed(list(enumerate(layers)))
            if layer.index is not None
        }
        self._link_parents(objs, layers, by_index)
        total = self._link_mattes(objs, layers, by_index, costs)
        for layer in layers:
            self._settle(layer)
        return Composition(layers, (width, height), self.stills, self.doc.deadline), total

    def _layer(self, obj: Obj) -> tuple[Layer, int]:
        parts = self._parts(obj)
        layer = Layer(obj.text("nm"), obj.int("ind") if obj.has("ind") else None, parts.transform)
        layer.first = obj.num("ip")
        layer.last = obj.num("op", 1e7)
        layer.hidden = obj.flag("hd") or obj.flag("td")
        layer.vector = obj.int("ty") in {SHAPE, TEXT}
        layer.blend = blend_mode(obj)
        layer.masks, layer.effects, layer.styles = parts.masks, parts.effects, parts.styles
        layer.content = parts.content
        motion = parts.motion
        cost = 1
        if obj.int("ty") == PRECOMP:
            inside, inner_cost = self._precomp(obj)
            cost += inner_cost
            self.doc.motions = []
            remap = scalar(obj, "tm") if obj.has("tm") else None
            remapped = stillness(self.doc.motions)
            content = PrecompContent(obj, inside, remap, remapped)
            layer.content = content
            motion = together((motion, content.motion(remapped)))
        self.own_motions[id(layer)] = motion
        return layer, cost

    def _settle(self, layer: Layer) -> Stillness:
        """Tell a layer when it looks different; its parents and its matte count as well."""
        known = self.motions.get(id(layer))
        if known is not None:
            return known
        edges = Stillness([(layer.first, layer.first), (layer.last, layer.last)])
        parts = [edges, self.own_motions[id(layer)]]
        step = layer.parent
        while step is not None:
            parts.append(self.own_motions[id(step)])
            step = step.parent
        if layer.matte is not None:
            parts.append(self._settle(layer.matte.source))
        layer.motion = self.motions[id(layer)] = together(parts)
        return layer.motion

    def _parts(self, obj: Obj) -> Parts:
        known = self.parts.get(id(obj.raw))
        if known is not None:
            return known
        raw: Any = obj.raw
        kind = obj.int("ty", -1)
        self.doc.motions = []
        parts = Parts(
            raw,
            Transform(obj.child("ks"), obj.flag("ao")),
            self._content(obj, kind),
            parse_masks(obj),
            parse_effects(obj),
            parse_styles(obj),
            STILL,
        )
        parts.motion = stillness(self.doc.motions)
        if kind != IMAGE:  # a picture's value may change while its layer does not
            self.parts[id(raw)] = parts
        return parts

    def _content(self, obj: Obj, kind: int) -> Content | None:
        if kind == SHAPE:
            return ShapeContent(obj)
        if kind == SOLID:
            return SolidContent(obj)
        if kind == IMAGE:
            return self._image(obj)
        if kind == TEXT:
            return self._text(obj)
        if kind == CAMERA:
            obj.report("camera")
        elif kind in NOT_DRAWN:
            obj.report(NOT_DRAWN[kind])
        elif kind not in {PRECOMP, NULL, AUDIO}:
            obj.report(f"layer type {kind}")
        return None

    def _image(self, obj: Obj) -> Content | None:
        asset = self._asset(obj)
        key = id(asset.raw)
        known = self.pictures.get(key)
        if known is None:
            value = self.sources.images.get(asset.text("sid"))
            content = ImageContent(picture(asset, self.sources.assets, value))
            known = self.pictures[key] = (asset.raw, content)
        return known[1]

    def _text(self, obj: Obj) -> Content | None:
        text = obj.need("t")
        content = TextContent(TextLayer.parse(text, self.text))
        # Documents change at once at their times.
        for key in text.need("d").objects("k"):
            self.doc.motions.append((key.num("t"), key.num("t")))
        return content

    def _asset(self, obj: Obj) -> Obj:
        name = obj.text("refId")
        asset = self.assets.get(name)
        if asset is None:
            raise obj.fail("refId", f"there is no asset {name[:80]!r}")
        return asset

    def _precomp(self, obj: Obj) -> tuple[Composition, int]:
        name = obj.text("refId")
        asset = self._asset(obj)
        if name in self.open:
            raise PrecompCycleError(f"composition {name[:80]!r} contains itself", obj.pointer)
        if len(self.open) >= self.doc.limits.comp_depth:
            raise LottieLimitError(
                f"compositions nested deeper than {self.doc.limits.comp_depth}", obj.pointer
            )
        built = self.compositions.get(name)
        if built is None:
            self.open.append(name)
            width, height = obj.num("w", self.root.num("w")), obj.num("h", self.root.num("h"))
            built = self._composition(asset, width, height)
            self.open.pop()
            self.compositions[name] = built
        return built

    def _link_parents(self, objs: list[Obj], layers: list[Layer], by_index: dict[int, int]) -> None:
        for obj, layer in zip(objs, layers, strict=True):
            if obj.has("parent"):
                place = by_index.get(obj.int("parent"))
                if place is None:
                    obj.report("parent that does not exist")
                else:
                    layer.parent = layers[place]
        for obj, layer in zip(objs, layers, strict=True):
            path: set[int] = set()
            step: Layer | None = layer
            depth = 0
            while step is not None:
                depth += 1
                if id(step) in path:
                    raise PrecompCycleError("layers are each other's parents", obj.pointer)
                if depth > self.doc.limits.parents:
                    raise LottieLimitError("a chain of parents is too long", obj.pointer)
                path.add(id(step))
                step = step.parent

    def _link_mattes(
        self,
        objs: list[Obj],
        layers: list[Layer],
        by_index: dict[int, int],
        costs: list[int],
    ) -> int:
        """Find each layer's matte; return what drawing all layers with their mattes costs."""
        sources: dict[int, int] = {}
        for place, obj in enumerate(objs):
            mode = matte_mode(obj)
            if not mode:
                continue
            found = by_index.get(obj.int("tp")) if obj.has("tp") else place - 1
            if found is None or found < 0:
                obj.report("matte that does not exist")
                continue
            sources[place] = found
            layers[place].matte = Matte(layers[found], mode)
        total = 0
        limit = self.doc.limits.comp_draws
        for place, obj in enumerate(objs):
            step: int | None = place
            seen: set[int] = set()
            while step is not None:
                if step in seen:
                    raise PrecompCycleError("layers are each other's mattes", obj.pointer)
                seen.add(step)
                if len(seen) > self.doc.limits.comp_depth:
                    raise LottieLimitError("a chain of mattes is too long", obj.pointer)
                total += costs[step]
                if total > limit:
                    raise LottieLimitError(f"more than {limit} layers to draw", obj.pointer)
                step = sources.get(step)
        return total


def check_header(root: Obj) -> None:
    """Check size, rate and length of the animation."""
    limits = root.doc.limits
    for key in ("w", "h"):
        size = root.num(key)
        if not size >= 1:
            raise root.fail(key, "expected at least 1")
        if size > limits.dimension:
            raise LottieLimitError(f"larger than {limits.dimension} pixels", f"/{key}")
    if not 0 < root.num("fr") <= 1000:
        raise root.fail("fr", "expected frames per second between 0 and 1000")
    if root.num("op") <= root.num("ip"):
        raise InvalidLottieError("the animation ends before it begins", "/op")
    if not root.list("layers"):
        raise root.fail("layers", "expected at least one layer")
