"""What the farm finds when it looks again at what a machine outside made."""

import hashlib
from pathlib import Path

import pytest
from msgspec.structs import replace

from flatrender.testing.media import paint, sine, write_sound
from flatrender_render.media.encode import SegmentEncoder, VideoFormat
from flatrender_render.media.errors import ProofFailed, Stopped
from flatrender_render.media.join import SegmentFile, join
from flatrender_render.media.pictures import poster_of, sheet_of
from flatrender_render.media.proof import Expectation
from flatrender_render.media.second_look import hear, look_at_film, look_at_rendition
from flatrender_render.media.transcode import Format, Transcoded, transcode

FRAMES, FPS, STILL = 75, 30, 30
FORMATS: tuple[Format, ...] = ("webm", "gif")
EXPECTED = Expectation(width=192, height=108, fps=FPS, frames=FRAMES, audio=True)


def make(folder: Path, *, dark: bool = False, seconds: float = FRAMES / FPS) -> Path:
    """Write a film with sound, as the farm assembles it; ``dark``: another one."""
    part, sound, whole = folder / "part.mp4", folder / "sound.m4a", folder / "film.mp4"
    with SegmentEncoder(part, VideoFormat(width=192, height=108, fps=FPS)) as encoder:
        for frame in range(FRAMES):
            paint(encoder.buffer, frame)
            if dark:
                encoder.buffer[..., :3] //= 4
            encoder.write()
        encoder.finish()
    write_sound(sound, sine(seconds))
    join([SegmentFile(path=str(part), frames=FRAMES)], whole, FPS, sound)
    return whole


@pytest.fixture(scope="module")
def film(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two and a half seconds with sound."""
    return make(tmp_path_factory.mktemp("film"))


@pytest.fixture(scope="module")
def other(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A film of the same size and length that shows something else."""
    return make(tmp_path_factory.mktemp("other"), dark=True)


@pytest.fixture(scope="module")
def made(film: Path) -> dict[Format, tuple[Path, Transcoded]]:
    """The film in every further format."""
    paths: dict[Format, Path] = {form: film.with_suffix(f".{form}") for form in FORMATS}
    return {form: (path, transcode(film, path, form)) for form, path in paths.items()}


def kind(refused: pytest.ExceptionInfo[ProofFailed]) -> str:
    return refused.value.kind


@pytest.mark.parametrize("form", FORMATS)
def test_a_good_rendition_is_one(
    film: Path, made: dict[Format, tuple[Path, Transcoded]], form: Format
) -> None:
    path, told = made[form]
    proof = look_at_rendition(film, path, form, told)
    assert proof.frames == told.frames


@pytest.mark.parametrize("form", FORMATS)
def test_a_rendition_of_another_film_is_found(
    other: Path, made: dict[Format, tuple[Path, Transcoded]], form: Format
) -> None:
    path, told = made[form]
    with pytest.raises(ProofFailed) as refused:
        look_at_rendition(other, path, form, told)
    assert kind(refused) == "wrong_picture"


@pytest.mark.parametrize("form", FORMATS)
def test_a_rendition_that_is_not_whole_is_found(
    film: Path, made: dict[Format, tuple[Path, Transcoded]], form: Format, tmp_path: Path
) -> None:
    path, told = made[form]
    data = path.read_bytes()
    damaged = tmp_path / path.name
    for content, kinds in (
        (data[: len(data) // 2], {"undecodable", "wrong_count", "wrong_audio"}),
        (data[:2000] + bytes(400) + data[2400:], {"undecodable", "wrong_count", "wrong_picture",
                                                  "wrong_timing", "wrong_audio"}),
        (data[:64], {"undecodable", "wrong_count"}),
    ):  # fmt: skip
        damaged.write_bytes(content)
        digest = hashlib.sha256(content).hexdigest()
        with pytest.raises(ProofFailed) as refused:
            look_at_rendition(film, damaged, form, replace(told, sha256=digest))
        assert kind(refused) in kinds
        with pytest.raises(ProofFailed) as refused:
            look_at_rendition(film, damaged, form, told)
        assert kind(refused) == "altered"


@pytest.mark.parametrize("form", FORMATS)
@pytest.mark.parametrize(
    ("wrong", "fault"),
    [({"frames": 20}, "wrong_count"), ({"width": 190}, "wrong_size"),
     ({"fps": 10.0}, "wrong_timing")],
    ids=str,
)  # fmt: skip
def test_a_rendition_is_what_was_reported(
    film: Path,
    made: dict[Format, tuple[Path, Transcoded]],
    form: Format,
    wrong: dict[str, int],
    fault: str,
) -> None:
    path, told = made[form]
    with pytest.raises(ProofFailed) as refused:
        look_at_rendition(film, path, form, replace(told, **wrong))
    assert kind(refused) == fault


def test_sound_is_as_reported(film: Path, made: dict[Format, tuple[Path, Transcoded]]) -> None:
    path, told = made["webm"]
    with pytest.raises(ProofFailed) as refused:
        look_at_rendition(film, path, "webm", replace(told, audio_codec=""))
    assert kind(refused) == "wrong_audio"
    hear(film, FRAMES / FPS)
    with pytest.raises(ProofFailed):
        hear(film, FRAMES / FPS + 1)


@pytest.fixture
def stills(film: Path, tmp_path: Path) -> tuple[dict[str, int], str]:
    """Poster, thumbnail and contact sheet of the film."""
    wide, small, sheet = tmp_path / "poster.jpg", tmp_path / "small.jpg", tmp_path / "sheet.png"
    wide.write_bytes(poster_of(film, STILL, 192))
    small.write_bytes(poster_of(film, STILL, 96))
    sheet_of(film, sheet)
    return {str(wide): 192, str(small): 96}, str(sheet)


def test_a_good_film_with_its_stills_is_one(film: Path, stills: tuple[dict[str, int], str]) -> None:
    assert look_at_film(film, EXPECTED, STILL, *stills).frames == FRAMES


def test_stills_show_the_film_at_their_size(
    film: Path, other: Path, stills: tuple[dict[str, int], str]
) -> None:
    pictures, sheet = stills
    (wide, width), _ = pictures.items()
    faults: list[tuple[Path, bytes, str]] = [
        (Path(wide), poster_of(other, STILL, width), "wrong_picture"),
        (Path(wide), poster_of(film, STILL, width // 2), "wrong_size"),
        (Path(wide), b"\xff\xd8\xff" + bytes(500), "undecodable"),
        (Path(sheet), b"\x89PNG\r\n\x1a\n" + bytes(500), "undecodable"),
        (Path(sheet), Path(wide).read_bytes(), "wrong_size"),
    ]
    for path, content, fault in faults:
        honest = path.read_bytes()
        path.write_bytes(content)
        with pytest.raises(ProofFailed) as refused:
            look_at_film(film, EXPECTED, STILL, *stills)
        assert kind(refused) == fault
        path.write_bytes(honest)


def test_a_film_whose_middle_does_not_decode_is_found(film: Path, tmp_path: Path) -> None:
    data = bytearray(film.read_bytes())
    middle = data.index(b"mdat") + 8 + 20_000
    data[middle : middle + 300] = bytes(300)
    damaged = tmp_path / "film.mp4"
    damaged.write_bytes(data)
    with pytest.raises(ProofFailed) as refused:
        look_at_film(damaged, EXPECTED, STILL, {}, "")
    assert kind(refused) in {"undecodable", "wrong_count", "wrong_audio"}


class Asked:
    """Counts how often it is asked whether to stop; says so from a number on."""

    def __init__(self, after: int = 1 << 30) -> None:
        self.times = 0
        self._after = after

    def __call__(self) -> bool:
        self.times += 1
        return self.times > self._after


def test_who_looks_gives_signs_of_life_at_every_frame(
    film: Path, made: dict[Format, tuple[Path, Transcoded]], stills: tuple[dict[str, int], str]
) -> None:
    """A film of an hour takes minutes: without a sign its process would be taken for dead, and the
    film for a bad one."""
    told = Asked()
    look_at_film(film, EXPECTED, STILL, *stills, told)
    sound = int(FRAMES / FPS * 48_000 / 1024)
    assert told.times >= FRAMES + sound
    with pytest.raises(Stopped):
        look_at_film(film, EXPECTED, STILL, *stills, Asked(FRAMES // 2))
    with pytest.raises(Stopped):
        look_at_film(film, EXPECTED, STILL, *stills, Asked(FRAMES + 3))
    for form, (path, facts) in made.items():
        told = Asked()
        look_at_rendition(film, path, form, facts, told)
        assert told.times > facts.frames + FRAMES // 2, "the film is decoded beside it"
        with pytest.raises(Stopped):
            look_at_rendition(film, path, form, facts, Asked(facts.frames // 2))


def test_sound_that_does_not_end_is_not_heard_to_its_end(tmp_path: Path) -> None:
    long, told = tmp_path / "long.m4a", Asked()
    write_sound(long, sine(60.0))
    with pytest.raises(ProofFailed):
        hear(long, 1.0, should_stop=told)
    assert told.times < 2 * 48_000 / 1024


@pytest.mark.parametrize("form", FORMATS)
def test_pictures_that_do_not_end_are_not_counted_to_their_end(
    film: Path, made: dict[Format, tuple[Path, Transcoded]], form: Format
) -> None:
    path, facts = made[form]
    told = Asked()
    with pytest.raises(ProofFailed) as refused:
        look_at_rendition(film, path, form, replace(facts, frames=3), told)
    assert (kind(refused), told.times) == ("wrong_count", 4)
