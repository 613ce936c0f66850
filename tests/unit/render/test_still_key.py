"""The content address of a still: everything that is seen changes it, nothing else does."""

from collections.abc import Callable

import pytest
from msgspec.structs import replace

from flatrender.template.composition import Composition, ImageRef, SceneInstance
from flatrender_render.engines import RenderSpec, still_key

SCENE = SceneInstance(
    id="one",
    scene_key="intro",
    animation="main",
    duration=2.0,
    values={"photo": ImageRef(sha256="b" * 64, object_key="files/here")},
)
COMPOSITION = Composition(
    width=640, height=360, fps=30, aspect="16:9", direction="rtl", scenes=[SCENE]
)
SPEC = RenderSpec(
    package="/here", package_sha256="a" * 64, composition=COMPOSITION, width=320, height=180
)


def key(
    spec: RenderSpec = SPEC, *, name: str = "lottie", version: str = "1", frame: int = 5
) -> str:
    return still_key(name, version, spec, frame)


def _scene(**changes: object) -> RenderSpec:
    scene = replace(SCENE, **changes)
    return replace(SPEC, composition=replace(COMPOSITION, scenes=[scene]))


@pytest.mark.parametrize(
    "changed",
    [
        pytest.param(lambda: key(name="other"), id="engine"),
        pytest.param(lambda: key(version="2"), id="version"),
        pytest.param(lambda: key(frame=6), id="frame"),
        pytest.param(lambda: key(replace(SPEC, package_sha256="c" * 64)), id="package"),
        pytest.param(lambda: key(replace(SPEC, width=322)), id="width"),
        pytest.param(lambda: key(replace(SPEC, height=182)), id="height"),
        pytest.param(lambda: key(replace(SPEC, watermark=True)), id="watermark"),
        pytest.param(lambda: key(_scene(duration=3.0)), id="duration"),
        pytest.param(
            lambda: key(_scene(values={"photo": ImageRef(sha256="d" * 64, object_key="x")})),
            id="picture",
        ),
    ],
)
def test_what_is_seen_changes_the_address(changed: Callable[[], str]) -> None:
    assert changed() != key()


@pytest.mark.parametrize(
    "same",
    [
        pytest.param(lambda: key(replace(SPEC, package="/there")), id="package_path"),
        pytest.param(lambda: key(replace(SPEC, assets={"b" * 64: "/x"})), id="asset_path"),
        pytest.param(lambda: key(_scene(id="two")), id="scene_id"),
        pytest.param(
            lambda: key(_scene(values={"photo": ImageRef(sha256="b" * 64, object_key="there")})),
            id="object_key",
        ),
    ],
)
def test_what_is_not_seen_does_not(same: Callable[[], str]) -> None:
    assert same() == key()
