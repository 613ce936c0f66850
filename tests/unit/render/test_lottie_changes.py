"""Drawing only what changed: every byte is that of the frame drawn alone, whatever came before."""

import itertools
import random
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest
import skia
from numpy.typing import NDArray

from flatrender.template.composition import Composition, SceneInstance
from flatrender.testing.packages import picture
from flatrender_render.engines import Box
from flatrender_render.engines.lottie.animation import Animation
from flatrender_render.engines.lottie.assets import AssetSource, FolderAssets, MappingAssets
from flatrender_render.engines.lottie.timeline import Timeline

CASES = Path(__file__).parents[3].parent / "shared" / "lottie-ae"
SIZE = 240
FRAMES = 40

Json = dict[str, Any]
Frame = NDArray[np.uint8]


def timeline(
    data: bytes, assets: AssetSource | None, size: tuple[int, int], *, marked: bool = False
) -> Timeline:
    """Return a new timeline of one scene that is this animation, as fast as that."""
    parsed = Animation.parse(data, assets=assets)
    rate = max(1, round(parsed.fps))
    scene = SceneInstance(
        id="a",
        scene_key="a",
        animation="a",
        duration=(parsed.out_frame - parsed.in_frame) / rate,
    )
    composition = Composition(
        width=size[0], height=size[1], fps=rate, aspect="1:1", direction="rtl", scenes=[scene]
    )
    return Timeline(composition, *size, lambda _: parsed, marked=marked)


def alone(made: Timeline, frame: int) -> Frame:
    """Return a frame drawn wholly, over pixels that are not its own."""
    pixels = np.full((made.height, made.width, 4), 0xA5, np.uint8)
    made.draw(pixels, frame)
    return pixels


def entire(made: Timeline, frame: int) -> Frame:
    """Return a frame of which everything is drawn, what is hidden as well."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Timeline, "_hidden", lambda *_: -1)
        return alone(made, frame)


def inside(boxes: list[Box] | None, shape: tuple[int, ...]) -> NDArray[np.bool_]:
    """Return which pixels lie in boxes."""
    mask = np.full(shape[:2], boxes is None)
    for left, top, right, bottom in boxes or ():
        mask[top:bottom, left:right] = True
    return mask


def walk(followed: Timeline, reference: Timeline, frames: list[int]) -> float:
    """Draw frames after each other into one buffer; return which share was drawn.

    Each has to have the bytes it has alone, and to differ from the one before only where it says.
    """
    buffer = alone(followed, frames[0])
    drawn = []
    for held, frame in itertools.pairwise(frames):
        before = buffer.copy()
        boxes = followed.redraw(buffer, frame, held)
        expected = entire(reference, frame)
        wrong = np.argwhere((buffer != expected).any(axis=2))
        assert not len(wrong), f"frame {frame} after {held}: {len(wrong)} at {wrong[:3].tolist()}"
        mask = inside(boxes, buffer.shape)
        assert not (buffer != before)[~mask].any(), f"frame {frame} after {held}: {boxes}"
        drawn.append(mask.mean())
    return float(np.mean(drawn))


# --- a generator of compositions -----------------------------------------------------------------


class Maker:
    """Makes compositions of all that moves, blinks, cuts, blends and softens."""

    def __init__(self, seed: int) -> None:
        self.rng = random.Random(seed)
        self.assets: list[Json] = [
            {"id": "photo", "w": 90, "h": 60, "p": "photo.png", "u": "", "e": 0}
        ]

    def document(self) -> bytes:
        """Return an animation."""
        layers = self.layers(self.rng.randint(3, 7), 2)
        ground = self.common(99) | {"ty": 1, "sw": SIZE, "sh": SIZE, "sc": "#225577"}
        ground["ks"] = self.place(moving=False, whole=True)
        if self.rng.random() < 0.8:
            layers.append(ground | {"ip": 0, "op": FRAMES})
        head = {"v": "5.12.0", "fr": 25, "ip": 0, "op": FRAMES, "w": SIZE, "h": SIZE}
        return msgspec.json.encode(head | {"layers": layers, "assets": self.assets})

    def chance(self, share: float) -> bool:
        """Throw a coin."""
        return self.rng.random() < share

    def still(self, value: object) -> Json:
        """Return a property that stands."""
        return {"a": 0, "k": value}

    def value(self, low: float, high: float, moving: bool, size: int = 1) -> Json:
        """Return a property of numbers that may move for some time, or jump."""

        def pick() -> Any:
            found = [round(self.rng.uniform(low, high), 2) for _ in range(size)]
            return found if size > 1 else found[0]

        if not moving:
            return self.still(pick())
        start = self.rng.randint(0, FRAMES - 12)
        end = start + self.rng.randint(1, 12)
        easing = {"i": {"x": [0.5], "y": [1]}, "o": {"x": [0.5], "y": [0]}}
        first: Json = {"t": start, "s": pick() if size > 1 else [pick()], **easing}
        if self.chance(0.2):
            first = {"t": start, "s": first["s"], "h": 1}
        return {"a": 1, "k": [first, {"t": end, "s": pick() if size > 1 else [pick()]}]}

    def place(self, *, moving: bool, whole: bool = False) -> Json:
        """Return a layer's transform."""
        if whole:
            return {"o": self.still(100), "p": self.still([0, 0]), "a": self.still([0, 0]),
                    "s": self.still([100, 100]), "r": self.still(0)}  # fmt: skip
        faded = self.chance(0.3)
        return {
            "o": self.value(20, 100, moving and self.chance(0.4)) if faded else self.still(100),
            "p": self.value(0, SIZE, moving and self.chance(0.7), 2),
            "a": self.still([20, 20]),
            "s": self.value(40, 180, moving and self.chance(0.3), 2),
            "r": self.value(-60, 60, moving and self.chance(0.4)) if self.chance(0.5)
            else self.still(0),
        }  # fmt: skip

    def common(self, index: int) -> Json:
        """Return what all layers have."""
        first = self.rng.choice([0, 0, 0, 5, 17])
        last = self.rng.choice([FRAMES, FRAMES, FRAMES, 23, 31])
        return {"ind": index, "nm": f"l{index}", "ip": first, "op": last, "st": 0, "sr": 1}

    def shapes(self, moving: bool) -> list[Json]:
        """Return the items of a shape layer."""
        rng = self.rng
        outline: Json = rng.choice([
            {"ty": "el", "p": self.still([30, 30]), "s": self.value(20, 120, moving, 2)},
            {"ty": "rc", "p": self.still([30, 30]), "s": self.still([90, 50]),
             "r": self.value(0, 30, moving)},
            {"ty": "sr", "sy": 1, "p": self.still([20, 20]), "pt": self.still(5),
             "r": self.still(0), "or": self.value(30, 80, moving), "ir": self.still(15),
             "os": self.still(0), "is": self.still(0)},
        ])  # fmt: skip
        color = [round(rng.random(), 2) for _ in range(3)]
        style: Json = rng.choice([
            {"ty": "fl", "c": self.still([*color, 1]), "o": self.still(rng.choice([100, 60]))},
            {"ty": "st", "c": self.still([*color, 1]), "o": self.still(100),
             "w": self.value(1, 20, moving), "lc": 2, "lj": rng.choice([1, 2]), "ml": 6,
             "d": [{"n": "d", "v": self.still(12)}, {"n": "g", "v": self.still(9)}]
             if self.chance(0.3) else []},
            {"ty": "gf", "o": self.still(100), "r": 1, "t": rng.choice([1, 2]),
             "g": {"p": 2, "k": self.still([0, 1, 0.2, 0.1, 1, 0, 0.3, 0.9])},
             "s": self.still([0, 0]), "e": self.still([70, 50])},
        ])  # fmt: skip
        found: list[Json] = [outline, style]
        if self.chance(0.3):
            found.append({"ty": "tm", "s": self.still(0), "e": self.value(10, 100, moving),
                          "o": self.still(0), "m": 1})  # fmt: skip
        return found

    def words(self, moving: bool) -> Json:
        """Return the data of a text layer."""
        document = {"s": 26, "f": "Vazirmatn", "t": self.rng.choice(["سلام دنیا", "Moving on"]),
                    "j": 0, "fc": [1, 1, 0.6], "lh": 30}  # fmt: skip
        if self.chance(0.3):
            document |= {"sc": [0.1, 0.1, 0.2], "sw": 3}
        keys = [{"s": document, "t": 0}]
        if self.chance(0.3):
            keys.append({"s": document | {"t": "Later"}, "t": 19})
        reveal = {
            "s": {"t": 0, "b": 1, "sh": 1, "s": self.value(0, 100, moving), "e": self.still(100),
                  "o": self.still(0), "a": self.still(100), "xe": self.still(0),
                  "ne": self.still(0), "r": 1, "rn": 0},
            "a": {"o": self.still(20), "p": self.still([0, 30]), "bl": self.still([9, 9])},
        }  # fmt: skip
        animators = [reveal] if self.chance(0.7) else []
        return {"d": {"k": keys}, "p": {}, "m": {"g": 1, "a": self.still([0, 0])}, "a": animators}

    def mask(self, moving: bool) -> Json:
        """Return a layer's mask."""
        corners = [[0, 0], [70, 5], [60, 60], [5, 50]]
        flat = [[0, 0]] * 4
        shape = {"v": corners, "i": flat, "o": flat, "c": True}
        return {"mode": self.rng.choice(["a", "a", "s", "i"]), "inv": self.chance(0.2),
                "pt": self.still(shape), "o": self.still(self.rng.choice([100, 100, 60])),
                "x": self.value(-4, 9, moving), "f": self.still([0, 0])}  # fmt: skip

    def effect(self, moving: bool) -> Json:
        """Return a layer effect."""

        def number(low: float, high: float) -> Json:
            return {"ty": 0, "v": self.value(low, high, moving)}

        blur = {"ty": 29, "ef": [number(1, 40), {"ty": 7, "v": self.still(1)},
                                 {"ty": 7, "v": self.still(0)}]}  # fmt: skip
        shadow = {"ty": 25, "ef": [
            {"ty": 2, "v": self.still([0.1, 0, 0.3, 1])}, {"ty": 0, "v": self.still(180)},
            number(0, 300), number(2, 30), number(0, 30), {"ty": 7, "v": self.still(0)},
        ]}  # fmt: skip
        return self.rng.choice([blur, shadow])

    def layer(self, index: int, depth: int) -> Json:
        """Return a layer of any kind."""
        moving = self.chance(0.5)
        made = self.common(index) | {"ks": self.place(moving=moving)}
        kind = self.rng.choice([1, 2, 4, 4, 4, 5] + [0] * (2 if depth else 0))
        inner = self.chance(0.5)
        if kind == 1:
            made |= {"sw": 60, "sh": 40, "sc": "#dd8822"}
        elif kind == 2:
            made |= {"refId": "photo"}
        elif kind == 4:
            made |= {"shapes": self.shapes(inner)}
        elif kind == 5:
            made |= {"t": self.words(inner)}
        else:
            made |= self.precomp(index, depth)
        if self.chance(0.2):
            made |= {"masksProperties": [self.mask(inner) for _ in range(self.rng.randint(1, 2))]}
        if self.chance(0.2):
            made |= {"ef": [self.effect(inner) for _ in range(self.rng.randint(1, 2))]}
        if self.chance(0.15):
            made |= {"bm": self.rng.choice([1, 2, 3, 10])}
        return made | {"ty": kind}

    def precomp(self, index: int, depth: int) -> Json:
        """Return the members of a precomposition layer, and keep its composition."""
        name = f"c{depth}-{index}-{len(self.assets)}"
        whole = self.chance(0.6)
        size = SIZE if whole else 110
        asset = {"id": name, "w": size, "h": size, "layers": []}
        self.assets.append(asset)
        asset["layers"] = self.layers(self.rng.randint(1, 4), depth - 1)
        made: Json = {"refId": name, "w": size, "h": size, "st": self.rng.choice([0, 0, 3, 0.1])}
        if whole:
            made["ks"] = self.place(moving=False, whole=True)
        if self.chance(0.3):
            made["sr"] = self.rng.choice([2, 0.7])
        if self.chance(0.2):
            made["tm"] = self.value(0, 1.4, moving=True)
        if self.chance(0.2):
            made["ct"] = 1
        return made

    def layers(self, count: int, depth: int) -> list[Json]:
        """Return layers, some of them children, some cut by the one above."""
        found = [self.layer(n, depth) for n in range(1, count + 1)]
        for n, layer in enumerate(found):
            if n and self.chance(0.2):
                layer["parent"] = self.rng.randint(1, n)
            if n and self.chance(0.2) and not found[n - 1].get("tt"):
                found[n - 1]["td"] = 1
                layer["tt"] = self.rng.randint(1, 4)
        return found


class CoverMaker(Maker):
    """Makes compositions of layers that hide all below them, or very nearly do."""

    SPOILERS = (
        "faded", "cut", "inverted", "subtracted", "cancelled", "feathered", "veiled", "wiped",
        "blended", "softened", "matted", "inset", "turned", "short", "glass", "small",
        "drifting",
    )  # fmt: skip

    def __init__(self, seed: int) -> None:
        super().__init__(seed)
        self.assets.append({"id": "glass", "w": 90, "h": 60, "p": "glass.png", "u": "", "e": 0})

    def stack(self, kind: int, spoiler: str) -> bytes:
        """Return an animation: a cover of this kind, with this spoiler, between two layers."""
        layers = [self.layer(1, 0)]
        layers += self.cover(2, 2, kind, spoiler)
        layers.append(self.layer(5, 0))
        head = {"v": "5.12.0", "fr": 25, "ip": 0, "op": FRAMES, "w": SIZE, "h": SIZE}
        return msgspec.json.encode(head | {"layers": layers, "assets": self.assets})

    def outline(self, *corners: tuple[float, float], moving: bool = False) -> Json:
        """Return a closed path of straight lines; a moving one opens from nothing."""
        flat = [[0, 0]] * len(corners)
        shape = {"v": corners, "i": flat, "o": flat, "c": True}
        if not moving:
            return self.still(shape)
        closed = shape | {"v": [(x, 0) for x, _ in corners]}
        ease = {"i": {"x": [0.5], "y": [1]}, "o": {"x": [0.5], "y": [0]}}
        return {"a": 1, "k": [{"t": 4, "s": [closed], **ease}, {"t": 14, "s": [shape]}]}

    def cover(
        self, index: int, depth: int, kind: int | None = None, spoiler: str = ""
    ) -> list[Json]:
        """Return a layer as large as all, and the matte it may have above it."""
        if kind is None:
            kind = self.rng.choice([1, 2, 0] if depth else [1, 2])
        width, height, scale = (90, 60, 420.0) if kind == 2 else (SIZE, SIZE, 100.0)
        place = self.place(moving=False, whole=True)
        place["s"] = self.still([scale, scale])
        if kind == 2 and self.chance(0.3) and spoiler != "drifting":
            place["p"] = self.still([-10.5, -3])
        elif kind == 2:
            place["p"] = {"a": 1, "k": [
                {"t": 0, "s": [-10, -6], "i": {"x": [0.5], "y": [1]}, "o": {"x": [0.5], "y": [0]}},
                {"t": FRAMES, "s": [0.2 if spoiler == "drifting" else -31.5, -10.2]},
            ]}  # fmt: skip
        made: Json = {"ind": index, "nm": f"cover {spoiler}", "ip": 0, "op": FRAMES, "st": 0,
                      "sr": 1, "ty": kind, "ks": place}  # fmt: skip
        if kind == 1:
            made |= {"sw": SIZE, "sh": SIZE, "sc": self.rng.choice(["#225577", "#996633"])}
        elif kind == 2:
            made |= {"refId": "glass" if spoiler == "glass" else "photo"}
        else:
            name = f"k{index}-{len(self.assets)}"
            asset: Json = {"id": name, "w": SIZE, "h": SIZE}
            self.assets.append(asset)
            asset["layers"] = [*self.cover(1, depth - 1), *self.cover(3, depth - 1)]
            made |= {"refId": name, "w": SIZE, "h": SIZE}
        return self.spoiled(made, spoiler, width, height)

    def spoiled(self, made: Json, spoiler: str, width: float, height: float) -> list[Json]:
        """Return the layer with something that may let show what is below."""
        place = made["ks"]
        full = [(0.0, 0.0), (width, 0.0), (width, height), (0.0, height)]
        mask = {"mode": "a", "inv": False, "o": self.still(100), "x": self.still(0),
                "f": self.still([0, 0]), "pt": self.outline(*full)}  # fmt: skip
        masks: dict[str, list[Json]] = {
            "cut": [mask | {"pt": self.outline((0, 0), (width, 0), (width, height / 2))}],
            "inverted": [mask | {"inv": True}],
            "subtracted": [mask | {"mode": "s"}],
            "cancelled": [mask, mask | {"mode": "f"}],
            "feathered": [mask | {"f": self.still([20, 20])}],
            "veiled": [mask | {"o": self.still(60)}],
            "wiped": [mask | {"pt": self.outline(*full, moving=True)}],
        }
        if spoiler in masks:
            made["masksProperties"] = masks[spoiler]
        elif spoiler == "faded":
            place["o"] = self.still(70)
        elif spoiler == "blended":
            made["bm"] = 1
        elif spoiler == "softened":
            made["ef"] = [self.effect(False)]
        elif spoiler == "inset":
            place["p"] = self.still([0.5, 0])
        elif spoiler == "small":
            made |= {"w": SIZE - 30, "sw": SIZE - 30}  # what is no picture
            if made["ty"] == 2:
                place |= {"s": self.still([250, 250]), "p": self.still([0, 0])}
        elif spoiler == "turned":
            place["r"] = self.still(2)
        elif spoiler == "short":
            made["op"] = FRAMES // 2
        elif spoiler == "matted":
            above = self.common(made["ind"] + 1) | {"ty": 1, "sw": 90, "sh": 90, "sc": "#ffffff"}
            return [
                above | {"td": 1, "ks": self.place(moving=False, whole=True)},
                made | {"tt": self.rng.randint(1, 4)},
            ]
        return [made]


PHOTO = MappingAssets(
    {"photo.png": picture(90, 60, "#3399cc"), "glass.png": picture(90, 60, "#cc339988")}
)


@pytest.mark.parametrize("seed", range(32))
def test_what_changed_is_all_that_has_to_be_drawn(seed: int) -> None:
    maker = Maker(seed)
    data = maker.document()
    marked = seed % 4 == 0
    followed, reference = (
        timeline(data, PHOTO, (SIZE, SIZE + 20 * (seed % 2)), marked=marked) for _ in range(2)
    )
    total = followed.total_frames
    frames = list(range(0, total, 1 + seed % 2))
    frames += [maker.rng.randrange(total) for _ in range(10)]  # and any after any other
    walk(followed, reference, frames)


@pytest.mark.parametrize("spoiler", ["", *CoverMaker.SPOILERS])
@pytest.mark.parametrize("kind", [0, 1, 2])
def test_only_what_is_hidden_is_left_out(kind: int, spoiler: str) -> None:
    for seed in range(3):
        data = CoverMaker(seed).stack(kind, spoiler)
        followed, reference = (timeline(data, PHOTO, (SIZE, SIZE)) for _ in range(2))
        frames = list(range(0, followed.total_frames, 3))
        walk(followed, reference, frames)
        hidden = [followed._hidden(0, frame) >= 0 for frame in frames]
        if not spoiler:
            assert all(hidden)
        elif spoiler not in {"glass", "drifting"} or kind == 2:
            # A layer with a shadow hides once its picture is seen to be opaque.
            assert not all(hidden) or spoiler == "softened"


def test_nothing_is_hidden_outside_of_the_animation() -> None:
    parsed = Animation.parse(CoverMaker(0).stack(1, ""), assets=PHOTO)
    surface = skia.IRect.MakeWH(SIZE, SIZE)
    assert parsed.ground(3, skia.Matrix(), surface) >= 0
    assert parsed.ground(3, skia.Matrix.Translate(2, 0), surface) == -1


def cases() -> list[str]:
    """Return the names of After Effects' cases."""
    if not CASES.is_dir():
        return []
    found = [p for p in CASES.glob("*/*.json") if not p.stem.endswith("-meta")]
    return sorted(f"{p.parent.name}/{p.stem}" for p in found)


@pytest.mark.skipif(not CASES.is_dir(), reason="After Effects' cases are not on this machine")
@pytest.mark.parametrize("name", cases())
def test_after_effects_cases_draw_what_changed(name: str) -> None:
    path = CASES / f"{name}.json"
    assets = FolderAssets(path.parent)
    parsed = Animation.parse(path.read_bytes(), assets=assets)
    size = (2 * (parsed.width // 2), 2 * (parsed.height // 2))
    followed, reference = (timeline(path.read_bytes(), assets, size) for _ in range(2))
    step = max(1, followed.total_frames // 30)
    walk(followed, reference, list(range(0, followed.total_frames, step)))
