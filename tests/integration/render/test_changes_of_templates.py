"""Demo templates drawn frame after frame into one buffer, against every frame drawn alone."""

import hashlib
from pathlib import Path

import numpy as np
import pytest

from flatrender.template.composition import Composition, SceneInstance
from flatrender.template.manifest import Variant
from flatrender.template.package import TemplatePackage
from flatrender_content.catalogue import build
from flatrender_content.catalogue.kit.package import Materials, assemble
from flatrender_content.catalogue.sound.encode import opus
from flatrender_content.catalogue.sound.music import SONGS
from flatrender_content.catalogue.sound.synth import RATE
from flatrender_content.catalogue.templates import TEMPLATES
from flatrender_render.engines import ChangingSource, FrameSourceSession, RenderSpec, engine


def specs(slug: str, folder: Path) -> list[RenderSpec]:
    """Return a film of each aspect of a template, at sizes that divide nothing evenly."""
    silence = opus(np.zeros((RATE // 2, 2)))
    songs = {song.key: song for song in SONGS}
    template = next(t for t in TEMPLATES if t.slug == slug)
    materials = Materials(build.picture, build.effect, lambda _: silence, songs)
    data = assemble(template, materials)
    path = folder / f"{slug}.lottie"
    path.write_bytes(data)
    with TemplatePackage.open(path) as package:
        manifest = package.manifest
    colors = {color.key: color.default for color in manifest.shared_colors}
    made = []
    for number, variant in enumerate(manifest.variants):
        scale = (0.31, 0.25, 0.2)[number % 3]
        composition = Composition(
            width=variant.width,
            height=variant.height,
            fps=variant.fps,
            aspect=variant.aspect,
            direction=manifest.direction,
            scenes=scenes(variant),
            colors=colors,
        )
        spec = RenderSpec(
            package=str(path),
            package_sha256=hashlib.sha256(data).hexdigest(),
            composition=composition,
            width=2 * round(variant.width * scale / 2),
            height=2 * round(variant.height * scale / 2),
            watermark=number % 2 == 1,
        )
        made.append(spec)
    return made


def scenes(variant: Variant) -> list[SceneInstance]:
    """Return the default scenes, one of them stretched."""
    return [
        SceneInstance(
            id=f"s{n}",
            scene_key=scene.key,
            animation=scene.animation,
            duration=scene.duration + (0.37 if n == 1 and scene.max_duration else 0.0),
            transition=scene.transition,
            intro=scene.intro,
            outro=scene.outro,
        )
        for n, scene in enumerate(scene for scene in variant.scenes if scene.in_default)
    ]


@pytest.mark.parametrize("slug", [template.slug for template in TEMPLATES])
def test_a_template_draws_what_changed(
    slug: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for spec in specs(slug, tmp_path):
        followed, reference = (engine("lottie").open(spec) for _ in range(2))
        assert isinstance(followed, FrameSourceSession)
        assert isinstance(reference, FrameSourceSession)
        source = followed.source
        assert isinstance(source, ChangingSource)
        monkeypatch.setattr(reference.source, "_hidden", lambda *_: -1)  # it draws everything
        buffer = followed.still(0)
        shares = []
        total = followed.total_frames
        step = total / 24
        # Pairs of neighbours all over the film, transitions included.
        frames = sorted({min(int(n * step) + d, total - 1) for n in range(24) for d in (0, 1)})
        held = 0
        for frame in frames:
            boxes = source.redraw(buffer, frame, held)
            expected = reference.still(frame)
            wrong = np.argwhere((buffer != expected).any(axis=2))
            assert not len(wrong), f"{spec.width}: frame {frame} after {held}: {wrong[:3]}"
            held = frame
            covered = sum((b[2] - b[0]) * (b[3] - b[1]) for b in boxes or [])
            shares.append(1.0 if boxes is None else covered / spec.width / spec.height)
        assert min(shares) < 0.9, "something is drawn in parts"
