"""The engine against After Effects' own frames.

Every case is a Bodymovin export with frames that After Effects rendered from the same project. A
case holds when each frame has a structural similarity of at least 0.98, over #808080, as 8-bit RGB.
"""

from pathlib import Path

import numpy as np
import pytest
import skia
from numpy.typing import NDArray
from PIL import Image

from flatrender.testing.ssim import over_grey, ssim
from flatrender_render.engines.lottie.animation import Animation
from flatrender_render.engines.lottie.assets import FolderAssets

CASES = Path(__file__).parents[3].parent / "shared" / "lottie-ae"

HOLDING = [
    "layers/image-layer",
    "layers/mask-multiple",
    "layers/null-parent",
    "layers/parent-interleaved",
    "layers/precomp",
    "layers/precomp-nested",
    "layers/precomp-time-stretch",
    "layers/precomp-transform",
    "layers/solid-layer",
    "properties/bezier-ease",
    "properties/bezier-linear",
    "properties/color-ease",
    "properties/color-linear",
    "properties/multidimensional-ease",
    "properties/position-ease",
    "properties/position-path-auto-orient",
    "properties/position-path-ease",
    "properties/position-path-linear",
    "properties/scalar-ease",
    "shape-modifiers/bloat",
    "shape-modifiers/round-corners",
    "shape-modifiers/zig-zag-smooth",
    "shape-style/default",
    "shape-style/fill",
    "shape-style/fill-blend-darken",
    "shape-style/fill-opacity",
    "shape-style/gradient-linear",
    "shape-style/gradient-linear-alpha",
    "shape-style/gradient-linear-midpoint",
    "shape-style/gradient-radial-highlight",
    "shape-style/stroke",
    "shape-style/stroke-dash",
    "shape-style/stroke-gradient",
    "shape-style/winding-evenodd",
    "shapes/bezier",
    "shapes/bezier-open",
    "shapes/star",
    "shapes/star-round",
    "transform/anchor",
    "transform/group-anchor",
    "transform/group-opacity",
    "transform/group-skew",
    "transform/identity",
]

pytestmark = pytest.mark.skipif(
    not CASES.is_dir(), reason=f"After Effects' frames are not on this machine ({CASES})"
)


def draw(animation: Animation, frame: float) -> NDArray[np.uint8]:
    pixels = np.zeros((animation.height, animation.width, 4), np.uint8)
    info = skia.ImageInfo.Make(
        animation.width,
        animation.height,
        skia.kRGBA_8888_ColorType,
        skia.kPremul_AlphaType,
    )
    surface = skia.Surface.MakeRasterDirect(info, pixels)
    animation.draw(surface.getCanvas(), frame)
    return pixels


def worst_frame(name: str) -> tuple[float, str]:
    source = CASES / f"{name}.json"
    animation = Animation.parse(source.read_bytes(), assets=FolderAssets(source.parent))
    frames = sorted(source.parent.glob(f"{source.stem}-[0-9][0-9].png"))
    assert frames, "a case has at least one frame"
    scores = []
    for frame in frames:
        reference = np.asarray(Image.open(frame).convert("RGBA"))
        ours = draw(animation, int(frame.stem[-2:]))
        score = ssim(over_grey(ours, premultiplied=True), over_grey(reference))
        scores.append((score, frame.name))
    return min(scores)


@pytest.mark.parametrize("name", HOLDING)
def test_case_looks_as_after_effects_drew_it(name: str) -> None:
    score, frame = worst_frame(name)
    assert score >= 0.98, f"{frame}: {score:.4f}"


def test_every_case_here_is_listed() -> None:
    present = {
        f"{p.parent.name}/{p.stem}" for p in CASES.glob("*/*.json") if not p.stem.endswith("-meta")
    }
    assert len(present & set(HOLDING)) >= 40
    assert present == set(HOLDING)
