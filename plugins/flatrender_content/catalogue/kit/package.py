"""From scenes to a package: manifest, animations, pictures, sounds, fonts.

Owns ``Template`` and its assembly by the kernel's ``write_package``. Gathers only what the scenes
use. Raises KeyError for a picture or a sound that nobody makes.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from flatrender.fonts import catalogue as bundled_fonts
from flatrender.template.manifest import (
    Aspect,
    AudioDefaults,
    Font,
    Mode,
    MusicTrack,
    Scene,
    TemplateManifest,
    Text,
    Variant,
)
from flatrender.template.package import write_package
from flatrender_content.catalogue.kit.design import SIZES, Palette, Stage
from flatrender_content.catalogue.kit.scene import SceneBuilder
from flatrender_content.catalogue.lottie_dsl.text import Face
from flatrender_content.catalogue.lottie_dsl.values import FPS
from flatrender_content.catalogue.sound.music import Song

Finished = tuple[Scene, bytes]


@dataclass(frozen=True)
class Template:
    """A template's description; ``scenes(stage)`` composes it for one aspect."""

    slug: str
    mode: Mode
    name: Text
    description: Text
    category: str
    keywords: tuple[str, ...]
    tags: tuple[str, ...]
    direction: str
    aspects: tuple[Aspect, ...]
    palette: Palette
    song: str
    scenes: Callable[[Stage], Sequence["Shot"]]
    music_volume: float = 0.8
    version: str = "1.0.0"


@dataclass(frozen=True)
class Shot:
    """A built scene with what it needs from the package."""

    scene: Scene
    animation: bytes
    pictures: frozenset[str]
    faces: tuple[Face, ...]

    @classmethod
    def of(cls, builder: SceneBuilder, finished: Finished) -> "Shot":
        """Take what the builder gathered."""
        scene, data = finished
        return cls(scene, data, frozenset(builder.pictures), tuple(builder.animation.faces))


@dataclass(frozen=True)
class Materials:
    """Where the bytes come from: a picture by file name, a sound by name, a song by key."""

    picture: Callable[[str], bytes]
    sound: Callable[[str], bytes]
    song: Callable[[str], bytes]
    songs: dict[str, Song]


def assemble(template: Template, materials: Materials) -> bytes:
    """Return the package's bytes: the same description gives the same bytes."""
    entries: dict[str, bytes] = {}
    variants: list[Variant] = []
    faces: dict[str, Face] = {}
    for aspect in template.aspects:
        shots = template.scenes(Stage(aspect, rtl=template.direction == "rtl"))
        for shot in shots:
            entries[f"a/{shot.scene.animation}.json"] = shot.animation
            for name in shot.pictures:
                entries.setdefault(f"i/{name}", materials.picture(name))
            for sound in shot.scene.sounds:
                name = sound.path.removeprefix("u/").removesuffix(".ogg")
                entries.setdefault(sound.path, materials.sound(name))
            faces |= {face.name: face for face in shot.faces}
        width, height = SIZES[aspect]
        variants.append(
            Variant(
                aspect=aspect,
                width=width,
                height=height,
                fps=FPS,
                scenes=[shot.scene for shot in shots],
            )
        )
    fonts = _fonts(faces, entries)
    song = materials.songs[template.song]
    entries[f"u/{song.key}.ogg"] = materials.song(song.key)
    manifest = TemplateManifest(
        format=1,
        slug=template.slug,
        version=template.version,
        mode=template.mode,
        name=template.name,
        description=template.description,
        category=template.category,
        keywords=list(template.keywords),
        tags=list(template.tags),
        direction="rtl" if template.direction == "rtl" else "ltr",
        variants=variants,
        shared_colors=template.palette.shared(),
        presets=template.palette.manifest_presets(),
        fonts=fonts,
        music=[
            MusicTrack(
                key=song.key,
                title=Text(fa=song.title_fa, en=song.title_en),
                path=f"u/{song.key}.ogg",
                artist="FlatRender",
                bpm=song.bpm,
            )
        ],
        audio=AudioDefaults(music=song.key, music_volume=template.music_volume),
        author="FlatRender",
    )
    return write_package(manifest, entries)


def _fonts(faces: dict[str, Face], entries: dict[str, bytes]) -> list[Font]:
    """Bring the font files the animations name, each family with its licence."""
    out: list[Font] = []
    files = {(f.family, f.style): f for f in bundled_fonts()}
    for face in sorted(faces.values(), key=lambda f: f.name):
        font = files[face.family, face.style]
        path = f"f/{font.path.name}"
        entries[path] = font.path.read_bytes()
        entries[f"f/{face.family}-LICENSE.txt"] = font.licence.read_bytes()
        out.append(Font(family=face.family, style=face.style, weight=font.weight, path=path))
    return out
