"""The mix: exact length, volumes, fades, ducking, loudness, no clicks; hostile files are named."""

import itertools
from pathlib import Path

import av
import numpy as np
import pytest
from av.filter import Graph
from numpy.typing import NDArray

from flatrender.template.composition import AudioClip
from flatrender.testing.media import RATE, read_sound, rms, sine, write_sound
from flatrender_render.media.audio import AudioSource, MixedAudio, mix
from flatrender_render.media.errors import MediaTooLarge, MediaUnreadable, Stopped
from flatrender_render.media.probe import MediaCaps, open_media, probe

Sound = NDArray[np.float32]


def clip(path: Path, **changes: object) -> AudioSource:
    data = {"role": "music", "source": "test"} | changes
    return AudioSource(clip=AudioClip(**data), path=str(path))  # type: ignore[arg-type]  # a test's shorthand


def run(folder: Path, sources: list[AudioSource], seconds: int = 8) -> tuple[MixedAudio, Sound]:
    report = mix(sources, seconds * 30, 30, folder / "mix.m4a")
    return report, read_sound(folder / "mix.m4a")


def loudness(path: Path) -> float:
    """Measure integrated loudness of the encoded file, apart from the code under test."""
    graph = Graph()
    with av.open(str(path)) as container:
        stream = container.streams.audio[0]
        source = graph.add_abuffer(template=stream, time_base=stream.time_base)
        meter = graph.add("ebur128", metadata="1", framelog="quiet")
        sink = graph.add("abuffersink")
        source.link_to(meter)
        meter.link_to(sink)
        graph.configure()
        value = -70.0
        for frame in itertools.chain(container.decode(stream), [None]):
            source.push(frame)
            while True:
                try:
                    value = float(graph.pull().metadata.get("lavfi.r128.I", value))
                except (BlockingIOError, EOFError):
                    break
        return value


@pytest.mark.parametrize("extension", [".wav", ".flac", ".m4a", ".ogg", ".mp3"])
def test_every_format_is_heard_and_levelled(tmp_path: Path, extension: str) -> None:
    source = write_sound(tmp_path / f"tone{extension}", sine(4, amplitude=0.05))
    report, sound = run(tmp_path, [clip(source)], 4)
    assert report.samples == 4 * RATE
    assert abs(len(sound) - 4 * RATE) <= 1024
    assert loudness(tmp_path / "mix.m4a") == pytest.approx(-14, abs=1)
    assert report.lufs == pytest.approx(-14, abs=1)
    assert np.abs(sound).max() < 1.0


@pytest.mark.parametrize("frames", [1, 30, 73])
def test_the_sound_is_as_long_as_the_pictures(tmp_path: Path, frames: int) -> None:
    source = write_sound(tmp_path / "tone.wav", sine(10))
    report = mix([clip(source)], frames, 24, tmp_path / "mix.m4a")
    assert report.samples == frames * 2000
    with av.open(str(tmp_path / "mix.m4a")) as container:
        assert container.streams.audio[0].duration == frames * 2000


def test_the_same_inputs_give_the_same_bytes(tmp_path: Path) -> None:
    music = write_sound(tmp_path / "m.ogg", sine(3, 220))
    voice = write_sound(tmp_path / "v.wav", sine(1, 900))
    sources = [clip(music, loop=True), clip(voice, role="voice", start=1.5)]
    one, _ = run(tmp_path, sources)
    two, _ = run(tmp_path, sources)
    assert one.sha256 == two.sha256


def band(sound: Sound, hertz: float, start: float, end: float) -> float:
    """Return the amplitude of one frequency in a window."""
    part = sound[round(start * RATE) : round(end * RATE), 0].astype(np.float64)
    wave = np.exp(-2j * np.pi * hertz * np.arange(len(part)) / RATE)
    return float(2 * np.abs((part * wave).mean()))


def test_music_ducks_under_voice_and_comes_back(tmp_path: Path) -> None:
    music = write_sound(tmp_path / "m.wav", sine(8, 200, 0.2))
    voice = write_sound(tmp_path / "v.wav", sine(2, 2000, 0.3))
    _, sound = run(tmp_path, [clip(music), clip(voice, role="voice", start=3)])
    before, under, after = (band(sound, 200, *w) for w in ((1, 2.5), (3.5, 4.9), (6.5, 7.5)))
    assert under < 0.5 * before  # more than 6 dB down
    assert after == pytest.approx(before, rel=0.05)
    assert band(sound, 2000, 3.5, 4.9) > 2 * under


def test_effects_do_not_duck_the_music(tmp_path: Path) -> None:
    music = write_sound(tmp_path / "m.wav", sine(8, 200, 0.2))
    effect = write_sound(tmp_path / "v.wav", sine(2, 2000, 0.3))
    _, sound = run(tmp_path, [clip(music), clip(effect, role="sfx", start=3)])
    assert band(sound, 200, 3.5, 4.9) == pytest.approx(band(sound, 200, 1, 2.5), rel=0.05)


def test_volumes_keep_their_proportion(tmp_path: Path) -> None:
    one = write_sound(tmp_path / "1.wav", sine(8, 300, 0.2))
    two = write_sound(tmp_path / "2.wav", sine(8, 3000, 0.2))
    sources = [clip(one, volume=1.0), clip(two, role="sfx", volume=0.5, gain_db=-6.0206)]
    _, sound = run(tmp_path, sources)
    assert band(sound, 300, 2, 6) / band(sound, 3000, 2, 6) == pytest.approx(4, rel=0.05)


def test_clips_start_where_they_are_put(tmp_path: Path) -> None:
    tone = write_sound(tmp_path / "t.wav", sine(1))
    _, sound = run(tmp_path, [clip(tone, role="sfx", start=2.5)])
    assert rms(sound, 0, 2.45) < 1e-3
    assert rms(sound, 2.55, 3.45) > 0.05
    assert rms(sound, 3.55, 8) < 1e-3


def test_fades_rise_and_fall(tmp_path: Path) -> None:
    tone = write_sound(tmp_path / "t.wav", sine(8))
    _, sound = run(tmp_path, [clip(tone, fade_in=2, fade_out=4)])
    full = rms(sound, 2.5, 3.5)
    assert rms(sound, 0.95, 1.05) == pytest.approx(full / 2, rel=0.1)
    assert rms(sound, 5.95, 6.05) == pytest.approx(full / 2, rel=0.1)
    assert rms(sound, 7.95, 8) < 0.05 * full


def test_a_loop_fills_and_a_trim_skips(tmp_path: Path) -> None:
    halves = np.concatenate([sine(1, 400), sine(1, 4000)])
    tone = write_sound(tmp_path / "t.wav", halves)
    _, sound = run(tmp_path, [clip(tone, loop=True, trim_start=1)])
    for second in range(8):
        window = (second + 0.2, second + 0.8)
        assert band(sound, 4000, *window) > 20 * band(sound, 400, *window)
    _, sound = run(tmp_path, [clip(tone, duration=0.5)])
    assert rms(sound, 0.6, 8) < 1e-3


def test_a_cut_does_not_click(tmp_path: Path) -> None:
    """A tone cut at its peak: the step between samples stays that of the tone itself."""
    tone = write_sound(tmp_path / "t.wav", sine(8, 100))
    _, sound = run(tmp_path, [clip(tone, start=1, trim_start=0.0025, duration=2.0)])
    steps = np.abs(np.diff(sound[:, 0]))
    inside = steps[round(1.5 * RATE) : round(2.5 * RATE)].max()
    assert steps.max() < 3 * inside


def test_silence_stays_silent(tmp_path: Path) -> None:
    quiet = write_sound(tmp_path / "q.wav", sine(4, amplitude=0.0001))
    report, sound = run(tmp_path, [clip(quiet)], 4)
    assert np.abs(sound).max() < 0.001
    assert report.samples == 4 * RATE
    _, nothing = run(tmp_path, [], 2)
    assert np.abs(nothing).max() == 0


def test_peaks_stay_below_full_scale(tmp_path: Path) -> None:
    """Short loud bursts over a quiet bed: the bed is raised, the bursts must not clip."""
    bed = sine(8, 200, 0.1)
    bed[RATE : RATE + 2000] = sine(2000 / RATE, 1000, 0.99)
    report, sound = run(tmp_path, [clip(write_sound(tmp_path / "t.wav", bed))])
    assert report.peak <= 10 ** (-0.9 / 20)
    assert np.abs(sound).max() < 1.0


def test_a_clip_beyond_the_end_or_before_the_start_is_fine(tmp_path: Path) -> None:
    tone = write_sound(tmp_path / "t.wav", sine(4))
    _, sound = run(tmp_path, [clip(tone, start=30), clip(tone, role="sfx", trim_start=90)], 2)
    assert np.abs(sound).max() == 0
    _, sound = run(tmp_path, [clip(tone, start=-3)], 3)
    assert rms(sound, 0.1, 0.9) > 0.05
    assert rms(sound, 1.1, 2.9) < 1e-3


def hostile(folder: Path) -> dict[str, Path]:
    tone = write_sound(folder / "tone.wav", sine(1))
    ogg = bytearray(write_sound(folder / "tone.ogg", sine(2)).read_bytes())
    noise = np.random.default_rng(5).bytes(len(ogg))
    write_sound(folder / "tone.mp3", sine(1))
    # Opens, tells its length, and every second packet is nonsense.
    damaged = bytearray(write_sound(folder / "good.m4a", sine(4)).read_bytes())
    for at in range(damaged.index(b"mdat") + 4000, len(damaged) - 8000, 400):
        damaged[at : at + 200] = noise[:200]
    files: dict[str, bytes] = {
        "empty.mp3": b"",
        "text.mp3": b"hello world " * 500,
        "noise.wav": noise,
        "headless.ogg": bytes(ogg[300:400]) + noise,
        "cut.m4a": write_sound(folder / "whole.m4a", sine(1)).read_bytes()[:-2000],
        # Playlists and scripts name other files: they must never be opened.
        "list.m3u8": b"#EXTM3U\n#EXT-X-TARGETDURATION:1\n#EXTINF:1,\ntone.mp3\n#EXT-X-ENDLIST\n",
        "concat.mp3": f"ffconcat version 1.0\nfile {tone.name}\n".encode(),
        "damaged.m4a": bytes(damaged),
        "scrambled.ogg": bytes(ogg[:4000]) + noise[: len(ogg) - 4000],
    }
    for name, data in files.items():
        (folder / name).write_bytes(data)
    return {name: folder / name for name in files} | {"gone.mp3": folder / "gone.mp3"}


def test_hostile_sound_is_a_named_error(tmp_path: Path) -> None:
    for name, path in hostile(tmp_path).items():
        with pytest.raises(MediaUnreadable, match=path.stem):
            mix([clip(path)], 60, 30, tmp_path / "mix.m4a")
        assert not (tmp_path / "mix.m4a").exists(), name


def test_caps_are_kept(tmp_path: Path) -> None:
    tone = write_sound(tmp_path / "t.wav", sine(2))
    for caps in (MediaCaps(size=1000), MediaCaps(seconds=1)):
        with pytest.raises(MediaTooLarge):
            open_media(tone, caps)
    with pytest.raises(MediaUnreadable):
        open_media(tone, MediaCaps(channels=1))


def test_probe_tells_what_a_file_is(tmp_path: Path) -> None:
    info = probe(write_sound(tmp_path / "t.ogg", sine(2)))
    assert (info.audio_codec, info.sample_rate, info.channels) == ("opus", RATE, 2)
    assert info.duration == pytest.approx(2, abs=0.05)


def test_mixing_can_be_stopped(tmp_path: Path) -> None:
    tone = write_sound(tmp_path / "t.wav", sine(2))
    with pytest.raises(Stopped):
        mix([clip(tone)], 60, 30, tmp_path / "mix.m4a", lambda: True)
    assert not (tmp_path / "mix.m4a").exists()
