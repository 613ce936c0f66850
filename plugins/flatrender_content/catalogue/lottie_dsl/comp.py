"""Compositions and the file that holds them.

Owns the order of layers (added later = drawn above; the file lists the topmost first), asset ids
and the document's head. Raises ``ValueError`` for a layer that hangs on a stranger.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field

from flatrender_content.catalogue.lottie_dsl.layers import Layer, image_body, precomp_body
from flatrender_content.catalogue.lottie_dsl.text import Face
from flatrender_content.catalogue.lottie_dsl.values import FPS, Json, frames


@dataclass
class Comp:
    """A stack of layers of one size."""

    width: int
    height: int
    duration: float
    layers: list[Layer] = field(default_factory=list)

    def add(self, *layers: Layer) -> Layer:
        """Draw layers above what is there; return the last."""
        for layer in layers:
            self.layers.append(layer)
            layer.ind = len(self.layers)
        return layers[-1]

    def json_layers(self) -> list[Json]:
        """Return the layers, topmost first, every matte directly above what it cuts."""
        known = set(map(id, self.layers))
        for layer in self.layers:
            for other in (layer.parent, layer.matte):
                if other is not None and id(other) not in known:
                    raise ValueError(f"{layer.name} needs {other.name}, which is not in the comp")
        return [layer.json(self.duration) for layer in reversed(self.layers)]


@dataclass
class Animation:
    """One Lottie file: the main composition, its assets and fonts."""

    name: str
    main: Comp
    faces: list[Face] = field(default_factory=list)
    assets: list[Json] = field(default_factory=list)

    def image(self, file: str, width: int, height: int, *, sid: str | None = None) -> str:
        """Register a picture ``i/<file>`` shown at a size; return its asset id."""
        asset: Json = {
            "id": f"image_{len(self.assets)}",
            "w": width,
            "h": height,
            "u": "",
            "p": file,
            "e": 0,
        }
        if sid:
            asset["sid"] = sid
        self.assets.append(asset)
        return str(asset["id"])

    def image_layer(
        self, name: str, file: str, size: tuple[int, int], *, sid: str | None = None
    ) -> Layer:
        """Return a picture's layer, anchored at its middle."""
        asset = self.image(file, *size, sid=sid)
        return Layer(name, image_body(asset), anchor=(size[0] / 2, size[1] / 2))

    def precomp(self, name: str, comp: Comp) -> Layer:
        """Register a composition as an asset and return a layer of it, anchored at its middle."""
        asset = {"id": f"comp_{len(self.assets)}", "nm": name, "fr": FPS}
        asset["layers"] = comp.json_layers()
        self.assets.append(asset)
        body = precomp_body(str(asset["id"]), comp.width, comp.height)
        return Layer(name, body, anchor=(comp.width / 2, comp.height / 2))

    def use(self, faces: Iterable[Face]) -> None:
        """Make fonts known to the file, each once."""
        for face in faces:
            if face not in self.faces:
                self.faces.append(face)

    def json(self) -> Json:
        """Return the whole file."""
        return {
            "v": "5.12.2",
            "fr": FPS,
            "ip": 0,
            "op": frames(self.main.duration),
            "w": self.main.width,
            "h": self.main.height,
            "nm": self.name,
            "ddd": 0,
            "assets": self.assets,
            "fonts": {"list": [f.entry() for f in sorted(self.faces, key=lambda f: f.name)]},
            "layers": self.main.json_layers(),
            "markers": [],
        }
