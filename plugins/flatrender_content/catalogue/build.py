"""Builds the catalogue's packages: ``python -m flatrender_content.catalogue.build OUT``.

Owns the cache: a package is built again only when the source of the catalogue, the fonts or the
package format changed. The same source gives the same bytes. Raises ``OSError`` where the folder
cannot be written.
"""

import hashlib
from collections.abc import Callable, Iterable
from functools import lru_cache
from pathlib import Path

import click

import flatrender.template
from flatrender.fonts import catalogue as bundled_fonts
from flatrender_content.catalogue.artwork import marks, places, things
from flatrender_content.catalogue.kit.package import Materials, assemble
from flatrender_content.catalogue.sound.effects import EFFECTS
from flatrender_content.catalogue.sound.encode import opus
from flatrender_content.catalogue.sound.music import SONGS
from flatrender_content.catalogue.sound.voice import demo_voice
from flatrender_content.catalogue.templates import TEMPLATES

_SIDE = 1200  # of placeholder pictures, pixels; cropped to each box by the engine
_PICTURES: dict[str, Callable[[], bytes]] = {
    "bottle.jpg": lambda: things.bottle(_SIDE, _SIDE),
    "coffee.jpg": lambda: things.coffee(_SIDE, _SIDE),
    "courtyard.jpg": lambda: places.courtyard(_SIDE, _SIDE),
    "dunes.jpg": lambda: places.dunes(_SIDE, _SIDE),
    "glow.png": marks.glow,
    "logo.png": marks.logo,
    "mountains.jpg": lambda: places.mountains(_SIDE, _SIDE),
    "portrait.jpg": lambda: things.portrait(480, 480),
    "shadow.png": marks.shadow,
    "still_life.jpg": lambda: things.still_life(_SIDE, _SIDE),
    "street.jpg": lambda: places.street(_SIDE, _SIDE),
}


@lru_cache(maxsize=32)
def picture(name: str) -> bytes:
    """Return a placeholder picture by file name. Raises KeyError."""
    return _PICTURES[name]()


@lru_cache(maxsize=32)
def effect(name: str) -> bytes:
    """Return a sound effect as Ogg Opus. Raises KeyError."""
    return opus(EFFECTS[name](), bit_rate=64_000)


@lru_cache(maxsize=8)
def song(key: str) -> bytes:
    """Return a loop as Ogg Opus. Raises KeyError."""
    return opus({s.key: s for s in SONGS}[key].compose())


@lru_cache(maxsize=1)
def voice() -> bytes:
    """Return the demo voice clip as Ogg Opus: synthetic tones, no one's speech."""
    return opus(demo_voice(), bit_rate=48_000)


def materials() -> Materials:
    """Return where packages take their pictures and sounds from."""
    return Materials(picture, effect, song, {s.key: s for s in SONGS})


def source_hash() -> str:
    """Return the hash of everything a package is made from."""
    here = Path(__file__).parent
    format_home = Path(flatrender.template.__path__[0])
    digest = hashlib.sha256()
    for root in (here, format_home):
        for path in sorted(root.rglob("*.py")):
            digest.update(path.relative_to(root).as_posix().encode() + b"\0" + path.read_bytes())
    for font in bundled_fonts():
        digest.update(f"{font.path.name} {font.path.stat().st_size}\n".encode())
    return digest.hexdigest()[:24]


def build_all(out_dir: Path, only: Iterable[str] = ()) -> list[Path]:
    """Write ``<slug>.lottie`` for every template (or those named) and return the paths.

    Raises ValueError for an unknown slug.
    """
    wanted = set(only) or {t.slug for t in TEMPLATES}
    if unknown := wanted - {t.slug for t in TEMPLATES}:
        raise ValueError(f"there is no template {', '.join(sorted(unknown))}")
    out_dir.mkdir(parents=True, exist_ok=True)
    stamp = source_hash()
    paths: list[Path] = []
    for template in TEMPLATES:
        if template.slug not in wanted:
            continue
        path = out_dir / f"{template.slug}.lottie"
        mark = out_dir / f".{template.slug}.source"
        if not (path.is_file() and mark.is_file() and mark.read_text() == stamp):
            _replace(path, assemble(template, materials()))
            _replace(mark, stamp.encode())
        paths.append(path)
    return paths


def build_voice(out_dir: Path) -> Path:
    """Write the demo voice clip and return its path."""
    out_dir.mkdir(parents=True, exist_ok=True)
    path = out_dir / "demo-voice.ogg"
    if not path.is_file():
        _replace(path, voice())
    return path


def _replace(path: Path, data: bytes) -> None:
    """Write whole or not at all: another process may be reading."""
    draft = path.with_name(f".{path.name}.draft")
    draft.write_bytes(data)
    draft.replace(path)


@click.command()
@click.argument("out", type=click.Path(file_okay=False, path_type=Path))
@click.option("--only", multiple=True, help="Slug of a template; may be given again.")
def main(out: Path, only: tuple[str, ...]) -> None:
    """Build the demo catalogue into the folder OUT."""
    for path in [*build_all(out, only), build_voice(out)]:
        click.echo(f"{path}  {path.stat().st_size / 1024:.0f} KB")


if __name__ == "__main__":
    main()
