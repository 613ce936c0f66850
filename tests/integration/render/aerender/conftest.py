"""An emulated After Effects, a template for it, and the engine over both."""

import hashlib
import io
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import skia
from msgspec.structs import replace
from numpy.typing import NDArray
from PIL import Image

sys.path.insert(0, str(Path(__file__).resolve().parents[3] / "emulators"))

from aerender import project as projects
from aerender import setup as emulator  # the path is above

from flatrender.template.composition import Composition, ImageRef, SceneInstance
from flatrender.testing.packages import animation
from flatrender_render.engines import RenderSpec
from flatrender_render.engines.aerender import AerenderEngine
from flatrender_render.engines.aerender.failures import AerenderFailed
from flatrender_render.engines.aerender.settings import AerenderSettings
from flatrender_render.engines.aerender.watchdog import Patience
from flatrender_render.engines.lottie.animation import Animation

Json = dict[str, Any]

#: Nothing here takes a tenth of it, however busy the machine: no test waits for it but the hangs.
PATIENT = Patience(launch=60, open=60, first_frame=60, frame=60, exit=60)
FRAMES = 12


def _still(value: object) -> Json:
    return {"a": 0, "k": value}


def layer(kind: int, index: int, name: str, **more: Any) -> Json:
    """Return a Lottie layer that stands still."""
    place = {"o": _still(100), "r": _still(0), "p": _still([60, 40, 0]),
             "a": _still([0, 0, 0]), "s": _still([100, 100, 100])}  # fmt: skip
    return {"ty": kind, "nm": name, "ind": index, "ip": 0, "op": 600, "st": 0, "sr": 1, "bm": 0,
            "ks": place, **more}  # fmt: skip


def words(index: int, name: str, text: str, *, hidden: bool = False) -> Json:
    """Return a text layer."""
    document = {"s": 20, "f": "Vazirmatn", "t": text, "j": 0, "fc": [1, 1, 1], "lh": 24}
    return layer(5, index, name, hd=hidden,
                 t={"d": {"k": [{"s": document, "t": 0}]}, "p": {}, "a": [],
                    "m": {"g": 1, "a": _still([0, 0])}})  # fmt: skip


def picture(color: str, width: int = 64, height: int = 64) -> bytes:
    """Return a plain PNG."""
    buffer = io.BytesIO()
    Image.new("RGB", (width, height), color).save(buffer, "PNG")
    return buffer.getvalue()


def share(number: int, **colors: str) -> Json:
    """Return the composition of shared colours."""
    base = animation(frames=FRAMES)
    layers = [words(i, key, text, hidden=True) for i, (key, text) in enumerate(colors.items(), 1)]
    return emulator.comp(number, "frshare", base, layers)


def fix_project() -> Json:
    """Return a project of mode Fix: a box that moves, a text, its direction, a picture."""
    base = animation(frames=FRAMES, fps=30, width=160, height=90)
    layers = [
        words(1, "frl_c1t1", "the template's own"),
        words(2, "frd_dc1t1", "متن خود قالب", hidden=True),
        layer(2, 3, "frl_c1m1", refId="item:3", locked=True),
        *base["layers"],
    ]
    return {"version": 24, "items": [
        emulator.comp(1, "frfinal", base, layers),
        share(2, primary="0.1,0.1,0.2,1", box="1,0.8,0.2,1"),
        emulator.footage(3, "footage/photo.png", 64, 64),
    ]}  # fmt: skip


def fix_manifest(**changes: Any) -> Json:
    """Return what a scan says of the Fix template."""
    slots = [
        {"id": "c1t1", "type": "text", "layer": "frl_c1t1", "companion": "frd_dc1t1"},
        {"id": "c1m1", "type": "image", "layer": "frl_c1m1", "width": 64, "height": 64},
    ]
    return {"project": "project.aep", "comp": "frfinal", "mode": "Fix",
            "scenes": [{"key": "c1", "duration": FRAMES / 30, "slots": slots}],
            "footage": ["footage/photo.png"], **changes}  # fmt: skip


def flexible_project() -> Json:
    """Return a project of mode Flexible: an empty stage, a scene with a composition in it."""
    base = animation(frames=FRAMES, fps=30, width=160, height=90)
    return {"version": 24, "items": [
        emulator.comp(1, "flatrender", base, [layer(0, 1, "old", refId="item:3", w=160, h=90)]),
        share(2, primary="0.1,0.1,0.2,1", box="1,0.8,0.2,1"),
        emulator.comp(3, "opening", base,
                      [layer(0, 1, "frc_title", refId="item:4", w=160, h=90,
                             ks={"o": _still(100), "r": _still(0), "p": _still([0, 0, 0]),
                                 "a": _still([0, 0, 0]), "s": _still([100, 100, 100])}),
                       *base["layers"]]),
        emulator.comp(4, "opening title", base, [words(1, "frl_title", "the template's own")]),
    ]}  # fmt: skip


class Desk:
    """One emulated After Effects and one template. ``spec`` says what to render."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.ae = emulator.Installation(folder)
        self.project = fix_project()
        self.files = {"footage/photo.png": picture("#3366cc")}
        self.manifest: Json | None = None
        self.values: Json = {"c1t1": "Hello"}
        self.photo = picture("#cc3366", 128, 64)
        self.composition_changes: Json = {}

    def engine(self, patience: Patience = PATIENT, **settings: Any) -> AerenderEngine:
        """Return the engine with these settings."""
        chosen = {"programs": (str(self.ae.aerender),), "scratch": str(self.folder / "scratch"),
                  "patience": patience, **settings}  # fmt: skip
        return AerenderEngine(AerenderSettings(**chosen))

    def drawn(self, lottie: Json, **values: str) -> list[NDArray[np.uint8]]:
        """Return the frames of a Lottie file as the embedded engine draws them."""
        animation = Animation.parse(lottie).with_slots(values)
        found = []
        width, height = lottie["w"], lottie["h"]
        info = skia.ImageInfo.Make(width, height, skia.kBGRA_8888_ColorType, skia.kPremul_AlphaType)
        for frame in range(lottie["op"]):
            pixels = np.zeros((height, width, 4), np.uint8)
            canvas = skia.Surface.MakeRasterDirect(info, pixels).getCanvas()
            canvas.clear(0xFF000000)
            animation.draw(canvas, frame)
            found.append(pixels)
        return found

    def bound(self, *scenes: SceneInstance, **settings: Any) -> dict[str, Json]:
        """Bind and return the compositions of the bound project by name."""
        session = self.engine(**settings).open(self.spec(*scenes))
        try:
            items = projects.read(session._bind(lambda: False))["items"]
            return {item["name"]: item for item in items if item["type"] == "comp"}
        finally:
            session.close()

    def render(self, last: int, *scenes: SceneInstance) -> dict[int, NDArray[np.uint8]]:
        """Return the frames up to ``last``."""
        session = self.engine().open(self.spec(*scenes))
        sink = Sink()
        try:
            session.render_range(0, last, sink, lambda: False)
        finally:
            session.close()
        return sink.frames

    def failure(self, *scenes: SceneInstance, **settings: Any) -> AerenderFailed:
        """Return how binding fails."""
        with pytest.raises(AerenderFailed) as caught:
            self.bound(*scenes, **settings)
        return caught.value

    def photo_value(self) -> ImageRef:
        """Return the customer's picture as a value."""
        return ImageRef(sha256=hashlib.sha256(self.photo).hexdigest(), object_key="k")

    def scene(self, **changes: Any) -> SceneInstance:
        """Return a scene of the whole film."""
        given = {"id": "s1", "scene_key": "c1", "animation": "c1", "duration": FRAMES / 30,
                 "values": self.values, **changes}  # fmt: skip
        return SceneInstance(**given)

    def spec(self, *scenes: SceneInstance, package: bytes | None = None) -> RenderSpec:
        """Write the bundle and the customer's picture; return what to render."""
        data = package or emulator.bundle(self.project, self.files, self.manifest)
        path = self.folder / "bundle.zip"
        path.write_bytes(data)
        photo = self.folder / "photo.png"
        photo.write_bytes(self.photo)
        composition = Composition(
            **{"width": 160, "height": 90, "fps": 30, "aspect": "16:9", "direction": "rtl",
               "scenes": list(scenes) or [self.scene()],
               "colors": {"primary": "#102030", "box": "#40c080"},
               **self.composition_changes}
        )  # fmt: skip
        return RenderSpec(
            package=str(path),
            package_sha256=hashlib.sha256(data).hexdigest(),
            composition=composition,
            width=160,
            height=90,
            assets={hashlib.sha256(self.photo).hexdigest(): str(photo)},
        )


class Sink:
    """Keeps the frames."""

    def __init__(self, width: int = 160, height: int = 90) -> None:
        self.buffer: NDArray[np.uint8] = np.zeros((height, width, 4), np.uint8)
        self.frames: dict[int, NDArray[np.uint8]] = {}

    def put(self, frame: int, changed: object = None) -> None:
        """Keep a copy."""
        self.frames[frame] = self.buffer.copy()


@pytest.fixture
def desk(tmp_path: Path) -> Desk:
    """A desk with the Fix template."""
    return Desk(tmp_path)


class Bound:
    """A session whose values are bound: what a test says goes for rendering alone."""

    def __init__(self, desk: Desk, **settings: Any) -> None:
        self.desk = desk
        self.session = desk.engine(**settings).open(desk.spec())
        self.frames = self.render()

    def render(
        self,
        wrong: Json | None = None,
        *,
        first: int = 0,
        last: int = FRAMES - 1,
        should_stop: Callable[[], bool] = lambda: False,
        **patience: float,
    ) -> dict[int, NDArray[np.uint8]]:
        """Render a range while this goes wrong, with less patience for some phases."""
        self.desk.ae.behave(aerender=wrong or {})
        self.session.patience = replace(PATIENT, **patience)
        sink = Sink()
        self.session.render_range(first, last, sink, should_stop)
        return sink.frames


@pytest.fixture(scope="module")
def bound(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Bound]:
    """The Fix template with a customer's text and picture, and what its scan saw."""
    desk = Desk(tmp_path_factory.mktemp("desk"))
    desk.values = {"c1t1": "سلام", "c1m1": desk.photo_value()}
    desk.manifest = fix_manifest(
        reference={"frames": FRAMES, "visible": [[0, FRAMES - 1]], "moving": [[0, FRAMES - 1]]}
    )
    made = Bound(desk)
    yield made
    made.session.close()


@pytest.fixture(scope="session")
def make_words() -> Callable[..., Json]:
    """Return the maker of text layers."""
    return words


@pytest.fixture
def flexible(tmp_path: Path) -> Desk:
    """A desk with the Flexible template."""
    made = Desk(tmp_path)
    made.project, made.files = flexible_project(), {}
    made.manifest = {"project": "project.aep", "comp": "flatrender", "mode": "Flexible",
                     "scenes": [{"key": "opening", "comp": "opening", "duration": FRAMES / 30,
                                 "slots": [{"id": "title", "type": "text",
                                            "layer": "frl_title"}]}]}  # fmt: skip
    return made


@pytest.fixture
def film_bundle() -> Callable[..., bytes]:
    """Return the maker of a bundle of the Fix template; its text is given."""

    def made(text: str = "the template's own") -> bytes:
        project = fix_project()
        project["items"][0]["layers"][0] = words(1, "frl_c1t1", text)
        return emulator.bundle(project, {"footage/photo.png": picture("#3366cc")})

    return made
