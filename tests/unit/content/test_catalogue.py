"""The demo catalogue: valid packages, the same bytes twice, readable, and nothing runs over."""

from collections.abc import Iterator
from functools import lru_cache
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest

from flatrender.template.animations import read_facts
from flatrender.template.manifest import NumberSlot, Scene, TextSlot, Variant
from flatrender.template.package import TemplatePackage, check_package
from flatrender_content.catalogue import build
from flatrender_content.catalogue.kit.design import contrast
from flatrender_content.catalogue.kit.package import Materials, Template, assemble
from flatrender_content.catalogue.sound.effects import EFFECTS
from flatrender_content.catalogue.sound.encode import opus
from flatrender_content.catalogue.sound.music import SONGS
from flatrender_content.catalogue.sound.synth import RATE
from flatrender_content.catalogue.sound.voice import demo_voice
from flatrender_content.catalogue.templates import TEMPLATES
from flatrender_render.engines.lottie.animation import Animation
from flatrender_render.engines.lottie.assets import MappingAssets
from flatrender_render.engines.lottie.content import TextContent
from flatrender_render.engines.lottie.engine import LottieEngine
from flatrender_render.engines.lottie.slots import TextValue, Value
from flatrender_render.engines.lottie.text import FontBook, TextLayer

SLUGS = {t.slug: t for t in TEMPLATES}
each = pytest.mark.parametrize("slug", sorted(SLUGS))

_PERSIAN = "بزرگ‌ترین جشنوارهٔ فروش پاییزی با هدیه‌های ویژه برای خانوادهٔ شما و دوستانتان "
_ENGLISH = "Handmade ceramics with warm colours delivered to every city within three days "


@lru_cache
def _silence(_: str) -> bytes:
    """Stand in for songs: composing them is slow and has a test of its own."""
    return opus(np.zeros((RATE // 2, 2)))


def materials() -> Materials:
    """Return real pictures and effects, and silent songs."""
    return Materials(build.picture, build.effect, _silence, {s.key: s for s in SONGS})


@lru_cache
def package(slug: str) -> bytes:
    """Return a template's package, built once in this process."""
    return assemble(SLUGS[slug], materials())


@pytest.fixture
def opened(slug: str) -> Iterator[TemplatePackage]:
    """Open the package of the test's template."""
    with TemplatePackage.open(package(slug)) as found:
        yield found


def _scenes(found: TemplatePackage) -> Iterator[tuple[Variant, Scene]]:
    for variant in found.manifest.variants:
        for scene in variant.scenes:
            yield variant, scene


@each
def test_package_is_valid_without_a_warning(slug: str) -> None:
    assert check_package(package(slug)) == []


@each
def test_engine_draws_all_of_it(slug: str, opened: TemplatePackage) -> None:
    assert LottieEngine().inspect(opened) == []


@each
def test_same_source_gives_same_bytes(slug: str) -> None:
    assert assemble(SLUGS[slug], materials()) == package(slug)


def test_catalogue_covers_modes_and_directions() -> None:
    assert len(TEMPLATES) >= 4
    assert {t.mode for t in TEMPLATES} >= {"Fix", "Flexible"}
    assert {t.direction for t in TEMPLATES} == {"rtl", "ltr"}
    assert len({t.song for t in TEMPLATES}) == len(SONGS)


@each
def test_manifest_offers_choice(slug: str, opened: TemplatePackage) -> None:
    manifest = opened.manifest
    assert len(manifest.variants) >= 2
    assert len(manifest.presets) >= 3
    assert len({tuple(sorted(p.colors.items())) for p in manifest.presets}) == len(manifest.presets)
    total = sum(s.duration - s.transition.overlap for s in manifest.variants[0].scenes)
    assert 6.0 <= total <= 22.0
    if manifest.mode == "Flexible":
        assert any(s.repeatable for s in manifest.variants[0].scenes)
        keys = [[s.key for s in v.scenes] for v in manifest.variants]
        assert all(k == keys[0] for k in keys)
    for _, scene in _scenes(opened):
        assert scene.sounds, f"{scene.key} is silent"
        for slot in scene.slots:
            assert slot.name.fa != slot.name.en, slot.id


@each
def test_slots_and_animations_agree_both_ways(slug: str, opened: TemplatePackage) -> None:
    shared = {c.key for c in opened.manifest.shared_colors}
    used: set[str] = set()
    for _, scene in _scenes(opened):
        found = set(read_facts(opened.animation(scene.animation)).slots)
        assert found - shared == {slot.id for slot in scene.slots}, scene.animation
        used |= found & shared
    assert used == shared


@each
def test_companions_name_a_text_slot(slug: str, opened: TemplatePackage) -> None:
    for _, scene in _scenes(opened):
        raw = msgspec.json.decode(opened.animation(scene.animation))
        told = {x["flatrender"]["with"] for x in raw["layers"] if "flatrender" in x}
        assert told <= {s.id for s in scene.slots if isinstance(s, TextSlot)}, scene.key


@pytest.mark.parametrize(
    ("slug", "preset"), [(t.slug, p[0]) for t in TEMPLATES for p in t.palette.presets]
)
def test_text_contrasts_in_every_preset(slug: str, preset: str) -> None:
    palette = SLUGS[slug].palette
    (chosen,) = (p for p in palette.manifest_presets() if p.key == preset)
    for text, ground in palette.text_on:
        ratio = contrast(chosen.colors[text], chosen.colors[ground])
        assert ratio >= 4.5, f"{text} on {ground}: {ratio:.2f}"  # WCAG 2.2, 1.4.3


def test_contrast_is_that_of_the_standard() -> None:
    assert contrast("#000000", "#ffffff") == pytest.approx(21.0)
    assert contrast("#777777", "#ffffff") == pytest.approx(4.48, abs=0.01)


def _filled(base: Animation, scene: Scene, words: str | None) -> Animation:
    """Fill a scene with words up to each slot's limit (None: its defaults), numbers at most."""
    values: dict[str, Value] = {}
    for slot in scene.slots:
        if isinstance(slot, TextSlot):
            text = slot.default if words is None else (words * 40)[: slot.max_chars].strip()
            values[slot.id] = TextValue(text, slot.max_lines, slot.min_scale)
        elif isinstance(slot, NumberSlot) and words is not None:
            values[slot.id] = slot.maximum
    return base.with_slots(values)


def _texts(animation: Animation) -> Iterator[tuple[Any, TextLayer]]:
    # The engine tells of overflow through its text layers only; no public list of them exists.
    for layer in animation._composition.layers:
        if isinstance(layer.content, TextContent):
            yield layer, layer.content.layer


@each
@pytest.mark.parametrize("words", [None, _PERSIAN, _ENGLISH], ids=["default", "fa", "en"])
def test_texts_fit_their_boxes_and_the_frame(
    slug: str, words: str | None, opened: TemplatePackage
) -> None:
    fonts = FontBook()
    for font, data in opened.fonts():
        fonts.register(data, font.family, font.style, font.weight)
    assets = MappingAssets(opened.images())
    for variant, scene in _scenes(opened):
        base = Animation.parse(opened.animation(scene.animation), assets=assets, fonts=fonts)
        animation = _filled(base, scene, words)
        frame = scene.duration * 0.7 * variant.fps
        seen = 0
        for layer, text in _texts(animation):
            where = f"{scene.animation}: {layer.name}"
            for set_text in text.layouts():
                assert not set_text.overflow, where
                assert not set_text.missing, where
                assert set_text.exact_font, where
            box = layer.bounds(frame)
            assert box.left() >= 20, where
            assert box.top() >= 20, where
            assert box.right() <= variant.width - 20, where
            assert box.bottom() <= variant.height - 20, where
            seen += 1
        assert seen >= sum(isinstance(s, TextSlot) for s in scene.slots)


def _hidden(animation: Animation) -> set[str]:
    return {layer.name for layer in animation._composition.layers if layer.hidden}


def test_an_empty_text_takes_its_button_with_it() -> None:
    with TemplatePackage.open(package("persian-promo")) as found:
        base = Animation.parse(
            found.animation("closing_16x9"), assets=MappingAssets(found.images()), fonts=FontBook()
        )
    assert {"pill", "light"} & _hidden(base) == set()
    assert {"pill", "light"} <= _hidden(base.with_slots({"call": TextValue(" ")}))
    assert {"pill", "light"} & _hidden(base.with_slots({"call": TextValue("x")})) == set()


def test_a_number_slot_counts_in_its_text_and_sets_its_bar() -> None:
    with TemplatePackage.open(package("explainer-charts")) as found:
        base = Animation.parse(
            found.animation("ring_16x9"), assets=MappingAssets(found.images()), fonts=FontBook()
        )
    assert base.slots["share"].kind == "number"
    assert base.slots["share"].uses == 3  # the counter, the ring and its light
    filled = base.with_slots({"share": 12.0})
    shown = [t.layouts()[-1].text for layer, t in _texts(filled) if layer.name == "share"]
    assert shown == ["12%"]


def _drawn(template: Template) -> set[str]:
    with TemplatePackage.open(package(template.slug)) as found:
        return {n for n in found.names if n.startswith(("i/", "u/", "f/"))}


def test_packages_bring_what_they_use_and_the_fonts_licences() -> None:
    for template in TEMPLATES:
        names = _drawn(template)
        assert f"u/{template.song}.ogg" in names
        families = {n.rpartition("-")[0] for n in names if n.endswith(".ttf")}
        assert families
        assert {f"{family}-LICENSE.txt" for family in families} <= names


def test_build_is_cached_by_source(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(build, "materials", materials)
    (path,) = build.build_all(tmp_path, ["logo-reveal"])
    assert check_package(path) == []
    path.write_bytes(b"kept")
    build.build_all(tmp_path, ["logo-reveal"])
    assert path.read_bytes() == b"kept"  # not built again
    monkeypatch.setattr(build, "source_hash", lambda: "edited")
    build.build_all(tmp_path, ["logo-reveal"])
    assert check_package(path) == []
    with pytest.raises(ValueError, match="nothing-here"):
        build.build_all(tmp_path, ["nothing-here"])


@pytest.mark.parametrize("key", [s.key for s in SONGS])
def test_songs_loop_without_a_seam_at_one_loudness(key: str) -> None:
    (song,) = (s for s in SONGS if s.key == key)
    sound = song.compose()
    length = len(sound) / RATE
    assert 20.0 <= length <= 40.0
    bars = length * song.bpm / 240
    assert bars == pytest.approx(round(bars), abs=1e-3)
    assert np.abs(sound).max() < 0.9
    loudness = 20 * np.log10(np.sqrt((sound**2).mean()))
    assert -18.0 < loudness < -14.0
    # The step over the seam is one of the steps that occur anyway.
    steps = np.abs(np.diff(sound[:, 0]))
    assert abs(sound[0, 0] - sound[-1, 0]) <= np.quantile(steps, 0.999)
    # Nothing falls silent for a whole second: every bar has something to say.
    seconds = sound[: int(length) * RATE, 0].reshape(-1, RATE)
    assert np.sqrt((seconds**2).mean(axis=1)).min() > 0.01


@pytest.mark.parametrize("name", sorted(EFFECTS))
def test_effects_begin_and_end_in_silence(name: str) -> None:
    sound = EFFECTS[name]()
    assert 0.2 < np.abs(sound).max() < 0.95
    assert np.abs(sound[0]).max() < 1e-3
    assert np.abs(sound[-1]).max() < 1e-3
    assert opus(sound) == opus(EFFECTS[name]())


def test_demo_voice_is_mono_tones_of_several_seconds() -> None:
    voice = demo_voice()
    assert 6.0 <= len(voice) / RATE <= 12.0
    assert np.array_equal(voice[:, 0], voice[:, 1])
    assert np.abs(voice).max() == pytest.approx(0.6, abs=0.01)
