"""Compositions drawn by the embedded engine: time, transitions, values, sizes, the mark."""

import hashlib
import itertools
from pathlib import Path
from typing import Any, Literal

import msgspec
import numpy as np
import pytest
from click.testing import CliRunner
from hypothesis import given
from hypothesis import strategies as st

from flatrender.template.composition import Composition, ImageRef, SceneInstance
from flatrender.template.manifest import Transition
from flatrender.template.package import TemplatePackage
from flatrender.template.timing import placements, total_frames
from flatrender.testing import packages as make
from flatrender_render.engines import (
    InputBroken,
    Pixels,
    RenderEngine,
    RenderSpec,
    TemplateBroken,
    engine,
    still_key,
)
from flatrender_render.engines.cli import template
from flatrender_render.engines.lottie.timeline import scene_time
from flatrender_render.engines.lottie.transitions import (
    _KINDS,
    Stage,
    draw_transition,
    ease,
    settle,
    vector_of,
)
from flatrender_render.media.proof import thumb_of_pixels

BOX = {"type": "color", "id": "box", "name": make.label("box"), "default": "#ffcc33"}
LOGO = {"type": "image", "id": "logo", "name": make.label("l"), "default": "i/logo.png"}


def lottie() -> RenderEngine:
    return engine("lottie")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("packages")


@pytest.fixture(scope="module")
def spec(folder: Path) -> RenderSpec:
    """Two scenes of the moving square, 2 s each, in a package with a picture slot."""
    asset = {"id": "img", "w": 60, "h": 60, "p": "logo.png", "u": "", "e": 0, "sid": "logo"}
    layer = {
        "ty": 2, "refId": "img", "ip": 0, "op": 60, "st": 0, "ind": 1,
        "ks": {"o": {"a": 0, "k": 100}, "p": {"a": 0, "k": [0, 0, 0]}, "a": {"a": 0, "k": [0, 0]},
               "s": {"a": 0, "k": [100, 100]}, "r": {"a": 0, "k": 0}},
    }  # fmt: skip
    files = make.entries(
        main=make.animation(), logo=make.animation(assets=[asset], extra_layers=[layer])
    )
    files["i/logo.png"] = make.picture(64, 64, "#ff0000")
    scenes = [
        make.scene("plain", slots=[BOX]),
        make.scene("logo", animation="logo", slots=[BOX, LOGO]),
    ]
    data = make.package(make.manifest(variants=[make.variant(*scenes)]), files)
    path = folder / "test.lottie"
    path.write_bytes(data)
    return RenderSpec(
        package=str(path),
        package_sha256=hashlib.sha256(data).hexdigest(),
        composition=compose(scene("a"), scene("b")),
        width=320,
        height=180,
    )


def scene(name: str, **changes: Any) -> SceneInstance:
    data = {"id": name, "scene_key": "plain", "animation": "main", "duration": 2.0} | changes
    return SceneInstance(**data)


def compose(
    *scenes: SceneInstance, direction: Literal["rtl", "ltr"] = "ltr", **changes: Any
) -> Composition:
    return Composition(
        width=320, height=180, fps=30, aspect="16:9", direction=direction, scenes=list(scenes),
        **changes,
    )  # fmt: skip


def draw(spec: RenderSpec, frame: int, *scenes: SceneInstance, **changes: Any) -> Pixels:
    if scenes:
        spec = msgspec.structs.replace(spec, composition=compose(*scenes, **changes))
    return lottie().open(spec).still(frame)


def bgr(pixels: Pixels, x: int, y: int) -> tuple[int, int, int]:
    return tuple(int(v) for v in pixels[y, x, :3])  # type: ignore[return-value]  # three of them


def box_left(pixels: Pixels, color: tuple[int, int, int]) -> int:
    """Return the left edge of the square of a colour (BGR) in the middle row."""
    row = pixels[90, :, :3].astype(int)
    return int(np.argmax((np.abs(row - color) < 12).all(axis=1)))


# ---- time


def test_a_scene_in_its_own_time_is_the_animation_itself() -> None:
    plain = scene("a", duration=2.0)
    assert [scene_time(t, plain, 2.0) for t in (0, 0.5, 2.0)] == [0, 0.5, 2.0]


def test_intro_and_outro_keep_their_speed_and_the_middle_stretches() -> None:
    stretched = scene("a", duration=6.0, intro=0.5, outro=0.5)
    times = [scene_time(t, stretched, 2.0) for t in (0.25, 0.5, 3.0, 5.5, 5.75, 6.0)]
    assert times == pytest.approx([0.25, 0.5, 1.0, 1.5, 1.75, 2.0])


@given(
    duration=st.floats(0.2, 30),
    natural=st.floats(0.2, 30),
    intro=st.floats(0, 5),
    outro=st.floats(0, 5),
    one=st.floats(0, 1),
    two=st.floats(0, 1),
)
def test_time_never_runs_backwards_and_never_leaves_the_animation(
    duration: float, natural: float, intro: float, outro: float, one: float, two: float
) -> None:
    item = scene("a", duration=duration, intro=intro, outro=outro)
    early, late = sorted((one * duration, two * duration))
    first, last = scene_time(early, item, natural), scene_time(late, item, natural)
    assert -1e-9 <= first <= last + 1e-9 <= natural + 2e-9


def test_the_length_is_durations_less_overlaps() -> None:
    fade = Transition(kind="crossfade", overlap=0.5)
    cut = Transition(kind="cut", overlap=0.5)
    film = compose(scene("a"), scene("b", transition=fade), scene("c", transition=cut))
    assert total_frames(film) == 165
    assert [p.start for p in placements(film)] == [0, 1.5, 3.5]


@given(
    st.lists(
        st.tuples(st.floats(0.5, 20), st.floats(0, 0.5), st.sampled_from(["cut", "push"])),
        min_size=1,
        max_size=8,
    ),
    st.integers(1, 60),
)
def test_scenes_follow_each_other_without_a_gap(
    items: list[tuple[float, float, Any]], fps: int
) -> None:
    scenes = [
        scene(str(i), duration=d, transition=Transition(kind=k, overlap=o))
        for i, (d, o, k) in enumerate(items)
    ]
    film = msgspec.structs.replace(compose(*scenes), fps=fps)
    exact = sum(s.duration for s in scenes)
    exact -= sum(s.transition.overlap for s in scenes[1:] if s.transition.kind != "cut")
    assert total_frames(film) == pytest.approx(exact * fps, abs=0.5 + 1e-6)
    placed = placements(film)
    for before, after in itertools.pairwise(placed):
        assert after.start == pytest.approx(before.end - after.overlap)


def test_the_square_is_where_the_time_says(spec: RenderSpec) -> None:
    """The square's left edge goes from 30 to 230 px (side 60) linearly over 60 frames."""
    for frame in (0, 15, 30, 45):
        assert box_left(draw(spec, frame), (51, 204, 255)) == pytest.approx(
            30 + frame / 60 * 200, abs=1
        )
    slow = draw(spec, 60, scene("a", duration=4.0))
    assert box_left(slow, (51, 204, 255)) == pytest.approx(130, abs=1)


def test_the_second_scene_starts_at_its_frame(spec: RenderSpec) -> None:
    films = (scene("a", values={"box": "#00ff00"}), scene("b", values={"box": "#0000ff"}))
    assert box_left(draw(spec, 59, *films), (0, 255, 0)) > 200
    assert box_left(draw(spec, 60, *films), (255, 0, 0)) == pytest.approx(30, abs=1)


def test_the_last_frame_still_shows_the_scene(spec: RenderSpec) -> None:
    last = draw(spec, 119, scene("a", duration=4.0))
    assert box_left(last, (51, 204, 255)) > 220


# ---- values


def test_values_are_kept_apart_between_copies_of_a_scene(spec: RenderSpec) -> None:
    """Two instances of one scene key: each has its own colour, and the default stays default."""
    films = (
        scene("a", values={"box": "#ff0000"}),
        scene("b", values={"box": "#00ff00"}),
        scene("c"),
    )
    colours = [bgr(draw(spec, 60 * n + 30, *films), 160, 90) for n in range(3)]
    assert colours == [(0, 0, 255), (0, 255, 0), (51, 204, 255)]


def test_shared_colours_reach_every_scene(spec: RenderSpec) -> None:
    films = (scene("a"), scene("b"))
    for frame in (10, 70):
        found = bgr(draw(spec, frame, *films, colors={"primary": "#102030"}), 5, 5)
        assert found == (0x30, 0x20, 0x10)
    # Without a choice: the template's own shared colour, not the animation's.
    assert bgr(draw(spec, 10, *films), 5, 5) == (0x33, 0x22, 0x11)


def picture_value(folder: Path, data: bytes, **framing: Any) -> tuple[ImageRef, dict[str, str]]:
    sha = hashlib.sha256(data).hexdigest()
    path = folder / f"{sha}.png"
    path.write_bytes(data)
    return ImageRef(sha256=sha, object_key="k", **framing), {sha: str(path)}


def with_picture(spec: RenderSpec, ref: ImageRef, assets: dict[str, str]) -> RenderSpec:
    film = compose(scene("a", scene_key="logo", animation="logo", values={"logo": ref}))
    return msgspec.structs.replace(spec, composition=film, assets=assets)


def test_a_customers_picture_replaces_the_templates(spec: RenderSpec, folder: Path) -> None:
    film = compose(scene("a", scene_key="logo", animation="logo"))
    own = draw(msgspec.structs.replace(spec, composition=film), 10)
    assert bgr(own, 30, 30) == (0, 0, 255)
    ref, assets = picture_value(folder, make.picture(300, 100, "#00ff00"))
    theirs = draw(with_picture(spec, ref, assets), 10)
    assert bgr(theirs, 30, 30) == (0, 255, 0)
    assert bgr(theirs, 2, 58) == (0, 255, 0)  # covers the box, whatever its shape


@pytest.mark.parametrize("fault", ["missing", "altered", "no file", "no picture"])
def test_a_picture_that_cannot_be_used_fails_the_render(
    spec: RenderSpec, folder: Path, fault: str
) -> None:
    """Never the template's own picture instead of the customer's."""
    data = b"no picture" if fault == "no picture" else make.picture(64, 64, "#0000ff")
    ref, assets = picture_value(folder, data)
    if fault == "missing":
        assets = {}
    if fault == "altered":
        Path(assets[ref.sha256]).write_bytes(make.picture(64, 64, "#123456"))
    if fault == "no file":
        assets = {ref.sha256: str(folder / "gone.png")}
    with pytest.raises(InputBroken) as caught:
        draw(with_picture(spec, ref, assets), 10)
    assert caught.value.frame == 10


@pytest.mark.parametrize(
    ("broken", "error"),
    [
        (scene("a", values={"nope": "#000000"}), InputBroken),
        (scene("a", values={"box": "red"}), InputBroken),
        (scene("a", scene_key="gone"), InputBroken),
        (scene("a", animation="gone"), TemplateBroken),
    ],
)
def test_what_cannot_be_bound_fails_by_name(
    spec: RenderSpec, broken: SceneInstance, error: type[Exception]
) -> None:
    with pytest.raises(error):
        draw(spec, 0, broken)


def test_another_package_than_the_jobs_is_refused(spec: RenderSpec) -> None:
    wrong = msgspec.structs.replace(spec, package_sha256="0" * 64)
    with pytest.raises(TemplateBroken, match="sha256"):
        lottie().open(wrong)


# ---- size, determinism, mark


@pytest.mark.parametrize(("width", "height"), [(640, 360), (1920, 1080), (160, 90)])
def test_another_size_is_the_same_picture(spec: RenderSpec, width: int, height: int) -> None:
    small = thumb_of_pixels(draw(spec, 20))
    other = msgspec.structs.replace(spec, width=width, height=height)
    pixels = draw(other, 20)
    assert pixels.shape == (height, width, 4)
    assert np.abs(thumb_of_pixels(pixels) - small).max() < 12
    # Vectors are drawn at the size, not enlarged: the square's edge is one pixel sharp.
    row = pixels[height // 2, :, 1].astype(int)
    assert np.count_nonzero((row > 40) & (row < 195)) <= 2


def test_every_pixel_is_opaque_and_the_same_twice(spec: RenderSpec) -> None:
    fresh = type(lottie())()
    for frame in (0, 33, 119):
        one, two = draw(spec, frame), fresh.open(spec).still(frame)
        assert (one[..., 3] == 255).all()
        assert np.array_equal(one, two)


def test_the_order_of_drawing_does_not_matter(spec: RenderSpec) -> None:
    session = lottie().open(spec)
    forwards = [session.still(n).tobytes() for n in (0, 40, 80)]
    backwards = [session.still(n).tobytes() for n in (80, 40, 0)]
    assert forwards == backwards[::-1]


def test_the_mark_is_on_every_frame_and_only_when_asked(spec: RenderSpec) -> None:
    marked = msgspec.structs.replace(spec, watermark=True)
    for frame in (0, 30, 119):
        difference = np.abs(draw(marked, frame).astype(int) - draw(spec, frame))
        assert (difference.max(axis=2) > 2).mean() > 0.02
        quarters = [difference[:90, :160], difference[:90, 160:], difference[90:, :160]]
        assert all((part.max(axis=2) > 2).any() for part in quarters)  # cropping cannot remove it


# ---- transitions


def transition_pixels(
    spec: RenderSpec, kind: Any, frame: int, direction: Literal["rtl", "ltr"], way: Any = "start"
) -> Pixels:
    change = Transition(kind=kind, overlap=1.0, direction=way, color="#ff00ff")
    films = (
        scene("a", values={"box": "#00ff00"}),
        scene("b", values={"box": "#ffffff"}, transition=change),
    )
    return draw(spec, frame, *films, direction=direction)


def test_a_transition_follows_the_palette(spec: RenderSpec) -> None:
    """The veil of ``dip``, where it is thickest, in the shared color that its key names."""

    def veil(color: str | None, **colors: str) -> tuple[int, int, int]:
        change = Transition(kind="dip", overlap=1.0, color=color)
        scenes = scene("a"), scene("b", transition=change)
        return bgr(draw(spec, 45, *scenes, colors=colors), 160, 90)

    assert veil("accent", accent="#00ff00") == veil("#00ff00") == (0, 255, 0)
    assert veil("accent", accent="#0000ff") == (255, 0, 0)
    assert veil("accent") == veil(None) == (0, 0, 0)  # a package from elsewhere may say anything


@pytest.mark.parametrize("kind", sorted(_KINDS))
def test_a_transition_begins_with_one_scene_and_ends_with_the_other(
    spec: RenderSpec, kind: str
) -> None:
    before = draw(spec, 30, scene("a", values={"box": "#00ff00"}))
    middle = transition_pixels(spec, kind, 45, "ltr")
    if kind == "cut":
        assert total_frames(compose(scene("a"), scene("b"))) == 120
        return
    start = transition_pixels(spec, kind, 30, "ltr")
    assert np.abs(start.astype(int) - before).mean() < 1.0
    after = transition_pixels(spec, kind, 60, "ltr")
    second = draw(spec, 30, scene("b", values={"box": "#ffffff"}))
    assert np.array_equal(after, second)
    assert not np.array_equal(middle, start)
    assert (middle[..., 3] == 255).all()


def test_start_and_end_follow_the_reading_direction() -> None:
    """``start`` is where reading begins: movement goes there, as pages turn."""
    assert [vector_of("start", "ltr"), vector_of("end", "ltr")] == [(-1, 0), (1, 0)]
    assert [vector_of("start", "rtl"), vector_of("end", "rtl")] == [(1, 0), (-1, 0)]
    assert [vector_of("up", "rtl"), vector_of("left", "rtl")] == [(0, -1), (-1, 0)]


@pytest.mark.parametrize("kind", ["slide", "push", "wipe"])
@pytest.mark.parametrize("vector", [(-1, 0), (1, 0), (0, -1), (0, 1)])
def test_the_new_scene_enters_against_the_movement(kind: Any, vector: tuple[int, int]) -> None:
    surface, stage = flat_stage(64, vector)
    draw_transition(stage, kind, 0.3)
    pixels = np.array(surface.toarray(), copy=True)
    points = {(-1, 0): (32, 62), (1, 0): (32, 1), (0, -1): (62, 32), (0, 1): (1, 32)}
    entered = pixels[points[vector]][:3].astype(int)
    left = pixels[points[(-vector[0], -vector[1])]][:3].astype(int)
    assert entered[2] > 200
    assert entered[0] < 60
    assert left[0] > 60 > left[2]


def test_the_timeline_hands_the_direction_on(spec: RenderSpec) -> None:
    """A push at the quarter: in Persian the old square has gone right, in English left."""
    lefts = [
        box_left(transition_pixels(spec, "push", 37, direction), (0, 255, 0))
        for direction in ("ltr", "rtl")
    ]
    resting = box_left(draw(spec, 37, scene("a", values={"box": "#00ff00"})), (0, 255, 0))
    assert lefts[0] < resting < lefts[1]


def flat_stage(size: int, vector: tuple[int, int] = (-1, 0)) -> tuple[Any, Stage]:
    import skia

    surface = skia.Surface(size, size)
    sheet = skia.Rect.MakeWH(size, size)
    stage = Stage(
        canvas=surface.getCanvas(),
        width=size,
        height=size,
        # As scenes draw their ground: between pixels the edges of such a sheet are soft.
        before=lambda canvas: canvas.drawRect(sheet, skia.Paint(Color=0xFF0000FF, AntiAlias=True)),
        after=lambda canvas: canvas.drawRect(sheet, skia.Paint(Color=0xFFFF0000, AntiAlias=True)),
        vector=vector,
        color=0xFF000000,
    )
    return surface, stage


@pytest.mark.parametrize("kind", sorted(_KINDS))
def test_at_both_ends_a_transition_is_one_whole_picture(kind: Any) -> None:
    for progress, colour in ((0.0, (255, 0, 0)), (1.0, (0, 0, 255))):
        surface, stage = flat_stage(64)
        draw_transition(stage, kind, progress)
        pixels = np.array(surface.toarray(), copy=True)[..., :3]
        assert (np.abs(pixels.astype(int) - colour) <= 1).all(), (kind, progress)


@pytest.mark.parametrize("kind", ["push", "slide", "wipe", "crossfade", "iris", "dip", "zoom"])
def test_a_transition_leaves_no_hole(kind: Any) -> None:
    for vector in ((-1, 0), (1, 0), (0, -1), (0, 1)):
        for step in range(1, 20):
            surface, stage = flat_stage(50, vector)
            stage.canvas.clear(0)
            draw_transition(stage, kind, step / 20)
            assert (np.array(surface.toarray(), copy=True)[..., 3] == 255).all()


@given(st.floats(0, 1), st.floats(0, 1))
def test_easing_rises_from_0_to_1(one: float, two: float) -> None:
    low, high = sorted((one, two))
    for curve in (ease, settle):
        assert 0 <= curve(low) <= curve(high) + 1e-12 <= 1 + 1e-9
    assert (ease(0), ease(0.5), ease(1), settle(0), settle(1)) == (0, 0.5, 1, 0, 1)


# ---- inspection, cache keys, command


def test_the_cache_key_covers_what_decides_the_pixels(spec: RenderSpec, folder: Path) -> None:
    ref, assets = picture_value(folder, make.picture())
    base = with_picture(spec, ref, assets)

    def key(item: RenderSpec, frame: int = 3, version: str = "1") -> str:
        return still_key("lottie", version, item, frame)

    replace = msgspec.structs.replace
    film = base.composition
    moved = replace(ref, object_key="elsewhere")
    same = [
        replace(base, package="/elsewhere", assets={}),
        replace(base, composition=replace(film, scenes=[
            replace(film.scenes[0], id="other", values={"logo": moved})])),
    ]  # fmt: skip
    assert {key(item) for item in same} == {key(base)}
    other = [
        key(base, 4),
        key(base, 3, "2"),
        key(replace(base, watermark=True)),
        key(replace(base, width=640)),
        key(replace(base, package_sha256="1")),
        key(replace(base, composition=replace(film, colors={"primary": "#000000"}))),
        key(replace(base, composition=replace(film, scenes=[
            replace(film.scenes[0], values={"logo": replace(ref, zoom=2.0)})]))),
    ]  # fmt: skip
    assert len({key(base), *other}) == 1 + len(other)


def test_inspection_names_what_is_not_drawn_and_what_cannot_be() -> None:
    odd = make.animation(extra_layers=[{"ty": 13, "nm": "Camera 1", "ind": 5, "ks": {}}])
    with TemplatePackage.open(make.package(files=make.entries(main=odd))) as package:
        (note,) = lottie().inspect(package)
    assert (note.level, note.code) == ("warning", "unsupported_feature")
    assert "amera" in note.message_en + note.place
    assert note.place.startswith("a/main.json")
    ring = [{"id": "c", "layers": [{"ty": 0, "refId": "c", "ks": {}, "ip": 0, "op": 60}]}]
    loop = make.animation(
        assets=ring, extra_layers=[{"ty": 0, "refId": "c", "ks": {}, "ip": 0, "op": 60, "ind": 2}]
    )
    with TemplatePackage.open(make.package(files=make.entries(main=loop))) as package:
        notes = lottie().inspect(package)
    assert [(n.level, n.code) for n in notes] == [("error", "lottie_cycle")]


@pytest.fixture
def runner() -> CliRunner:
    return CliRunner()


def test_the_command_says_everything(runner: CliRunner, tmp_path: Path) -> None:
    good = tmp_path / "good.lottie"
    good.write_bytes(make.package())
    result = runner.invoke(template, ["check", str(good)])
    assert result.exit_code == 0
    assert "tiny 1.0.0" in result.output
    bad = tmp_path / "bad.lottie"
    data = make.manifest(audio={"music": "none"}, variants=[make.variant(make.scene(duration=99))])
    bad.write_bytes(make.package(data))
    result = runner.invoke(template, ["check", str(bad)])
    assert result.exit_code == 1
    assert "flatrender.json#/audio/music" in result.output
    assert "flatrender.json#/variants/0/scenes/0/duration" in result.output
    result = runner.invoke(template, ["check", str(bad), "--json"])
    assert {note["code"] for note in msgspec.json.decode(result.output)} == {
        "music_unknown",
        "duration_out_of_range",
    }
    result = runner.invoke(template, ["check", str(bad), "--language", "fa"])
    assert "آهنگ" in result.output


def test_the_command_prints_the_schema(runner: CliRunner) -> None:
    result = runner.invoke(template, ["schema"])
    assert msgspec.json.decode(result.output)["$schema"].endswith("2020-12/schema")
