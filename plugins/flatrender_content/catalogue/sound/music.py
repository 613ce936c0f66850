"""Four original loops, each of its own mood, written note by note.

Owns the songs. Every track is laid on a ring: what rings past the end sounds at the beginning, so
a loop has no seam. Notes are MIDI numbers.
"""

from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np

from flatrender_content.catalogue.sound import instruments as play
from flatrender_content.catalogue.sound.synth import (
    RATE,
    Signal,
    duck,
    limited,
    low_pass,
    room,
    stereo,
    widen,
)


@dataclass
class Ring:
    """A loop of whole bars in 4/4; ``at`` counts beats."""

    bpm: float
    bars: int
    buses: dict[str, Signal] = field(default_factory=dict)

    @property
    def beat(self) -> float:
        """Seconds of one beat."""
        return 60.0 / self.bpm

    @property
    def samples(self) -> int:
        """Length of the loop."""
        return round(self.bars * 4 * self.beat * RATE)

    def put(self, bus: str, at: float, sound: Signal, gain: float = 1.0, pan: float = 0.0) -> None:
        """Add a sound at a beat, around the ring."""
        if bus not in self.buses:
            self.buses[bus] = np.zeros((self.samples, 2))
        target = self.buses[bus]
        placed = (stereo(sound, pan) if sound.ndim == 1 else sound) * gain
        start = round(at * self.beat * RATE) % self.samples
        while len(placed):
            room_left = self.samples - start
            part = placed[:room_left]
            target[start : start + len(part)] += part
            placed, start = placed[room_left:], 0

    def beats(self, every: float = 1.0, offset: float = 0.0) -> list[float]:
        """Return the beats of the loop at a distance."""
        return [float(b) for b in np.arange(offset, self.bars * 4, every)]

    def mix(
        self,
        *,
        ducked: dict[str, float],
        wet: dict[str, float],
        pump: list[float],
        space: float = 1.6,
    ) -> Signal:
        """Sum the buses: side chain by ``pump`` beats, one room for the ``wet`` sends."""
        n = self.samples
        out, send = np.zeros((n, 2)), np.zeros((n, 2))
        where = np.asarray(pump) * self.beat
        for name, bus in self.buses.items():
            depth = ducked.get(name, 0.0)
            heard = bus * duck(where, depth, self.beat * 0.75, n)[:, None] if depth else bus
            out += heard
            if name in wet:
                send += heard * wet[name]
        return limited(out + room(send, space))


def _esfahan() -> Signal:
    """Bazaar Light: 112 bpm, D harmonic minor as Esfahan sings it; santur over a four-floor."""
    ring = Ring(112, 12)
    chords = [(50, 57, 62, 65), (46, 58, 62, 65), (43, 58, 62, 67), (45, 57, 61, 64)] * 3
    tune = [
        [(0, 74), (0.5, 76), (1, 77), (1.75, 76), (2.5, 74), (3, 73), (3.5, 74)],
        [(0, 77), (0.75, 76), (1.5, 74), (2, 70), (3, 72), (3.5, 74)],
        [(0, 79), (0.5, 77), (1, 76), (1.5, 74), (2.25, 77), (3, 76), (3.5, 74)],
        [(0, 73), (0.5, 76), (1.25, 73), (2, 69), (2.5, 70), (3, 73), (3.5, 76)],
    ]
    for bar, chord in enumerate(chords):
        start = bar * 4.0
        ring.put("pad", start, widen(play.pad(chord[1:], ring.beat * 4.4, 1700)), 0.8)
        for step in (0, 0.75, 1.5, 2.5, 3, 3.5):
            ring.put("bass", start + step, play.bass(chord[0] - 12, ring.beat * 0.55), 0.62)
        for at, note in tune[bar % 4]:
            ring.put("santur", start + at, play.santur(note), 0.42, -0.18)
            if bar >= 4:  # the second time the hammers tremble an octave above
                for echo in (0.0, 0.25):
                    ring.put("santur", start + at + echo, play.santur(note + 12, 0.8), 0.1, 0.4)
        for i, note in enumerate((chord[1], chord[2], chord[3], chord[2]) * 2):
            ring.put("arp", start + i * 0.5, play.pluck(note + 12, 0.3), 0.16, 0.5 - (i % 2))
        for at, accent in ((0, True), (1.5, False), (2, False), (2.75, False), (3.5, False)):
            ring.put("daf", start + at, play.daf(accent), 0.42, 0.2)
        ring.put("snare", start + 1, play.clap(), 0.34)
        ring.put("snare", start + 3, play.clap(), 0.34)
    for b in ring.beats():
        ring.put("kick", b, play.kick(), 0.78)
        ring.put("hats", b + 0.5, play.hat(0.09), 0.3, 0.3)
    for b in ring.beats(0.25):
        ring.put("hats", b, play.shaker(), 0.12 if b % 0.5 else 0.2, -0.35)
    return ring.mix(
        ducked={"pad": 0.7, "bass": 0.45, "arp": 0.5, "santur": 0.15},
        wet={"santur": 0.32, "arp": 0.3, "snare": 0.14, "pad": 0.2, "daf": 0.1},
        pump=ring.beats(),
    )


def _first_light() -> Signal:
    """First Light: 90 bpm, wide and slow; felt piano over pads that open, soft pulse below."""
    ring = Ring(90, 8)
    chords = [
        (48, 55, 64, 71, 74),
        (45, 57, 64, 67, 71),
        (41, 57, 60, 64, 67),
        (43, 55, 62, 69, 72),
    ]
    tune = [
        (0, 76),
        (1.5, 79),
        (3, 83),
        (4, 81),
        (6, 79),
        (7, 76),
        (8, 72),
        (10, 76),
        (12, 74),
        (14, 79),
    ]
    for bar in range(8):
        chord, start = chords[bar % 4], bar * 4.0
        ring.put("pad", start, widen(play.pad(chord[1:], ring.beat * 5, 1100 + 160 * bar)), 1.0)
        ring.put("bass", start, play.bass(chord[0] - 12, ring.beat * 3.8, 1.1), 0.5)
        for i, note in enumerate((*chord[1:], chord[3], chord[2], chord[4], chord[3])):
            ring.put("piano", start + i * 0.5, play.piano(note + 12, 2.2), 0.2, -0.4 + i * 0.1)
        ring.put("sparkle", start + 2.5, play.bell(chord[4] + 24, 2.4), 0.06, 0.5)
        for at in (0, 1.5, 3):
            ring.put("pulse", start + at, low_pass(play.kick(), 160), 0.5)
        if bar >= 4:
            ring.put("snap", start + 2, play.snap(), 0.2, 0.2)
            for b in range(8):
                ring.put("snap", start + b * 0.5, play.shaker(), 0.07, -0.3)
    for at, note in tune:
        for turn in (0, 16):
            ring.put("lead", turn + at, play.piano(note, 3.2), 0.46, 0.1)
    return ring.mix(
        ducked={"pad": 0.25},
        wet={"piano": 0.55, "lead": 0.6, "sparkle": 0.9, "pad": 0.35, "snap": 0.5},
        pump=ring.beats(4),
        space=2.8,
    )


def _window_seat() -> Signal:
    """Window Seat: 82 bpm, unhurried; tine piano in sevenths, lazy drums, a breathy line."""
    ring = Ring(82, 8)
    chords = [
        (41, 57, 60, 64, 67),
        (40, 55, 59, 62, 67),
        (38, 57, 60, 65, 69),
        (43, 58, 62, 65, 69),
    ]
    swing = 0.58
    for bar in range(8):
        chord, start = chords[bar % 4], bar * 4.0
        for i, note in enumerate(chord[1:]):
            voice = play.electric_piano(note, ring.beat * 2.4)
            ring.put("keys", start + i * 0.03, voice, 0.3, -0.3 + 0.2 * i)
            ring.put("keys", start + 2 + swing + i * 0.02, voice, 0.2, 0.3 - 0.2 * i)
        for at, step in ((0, 0), (1 + swing, 0), (2, 7), (3 + swing, 12)):
            ring.put("bass", start + at, play.bass(chord[0] - 12 + step, ring.beat * 0.8, 1.2), 0.5)
        for at in (0, 1 + swing, 2 + swing):
            ring.put("kick", start + at, play.kick(False), 0.6)
        ring.put("snare", start + 1, play.snap(), 0.5, 0.1)
        ring.put("snare", start + 3, play.snap(), 0.5, 0.1)
        for b in range(4):
            ring.put("hats", start + b, play.hat(), 0.18, 0.35)
            ring.put("hats", start + b + swing, play.hat(), 0.1, 0.35)
    line = [(0.5, 76, 1.4), (2, 79, 0.8), (3, 81, 1.6), (5, 79, 0.7), (6, 76, 1.8), (8.5, 77, 1.4)]
    line += [(10, 76, 0.8), (11, 74, 1.5), (13, 72, 0.9), (14, 74, 2.2)]
    for at, note, beats in line:
        ring.put("lead", 16 + at, play.flute(note, beats * ring.beat), 0.2, -0.15)
    for at, note in ((3.5, 88), (7.5, 83), (11.5, 84), (15.5, 86)):
        for turn in (0, 16):
            ring.put("sparkle", turn + at, play.bell(note), 0.07, 0.5)
    return ring.mix(
        ducked={"keys": 0.3, "bass": 0.2},
        wet={"keys": 0.28, "lead": 0.5, "sparkle": 0.7, "snare": 0.2},
        pump=[b for bar in range(8) for b in (bar * 4, bar * 4 + 2 + swing)],
        space=2.0,
    )


def _clear_steps() -> Signal:
    """Clear Steps: 118 bpm, bright and orderly; marimba and muted plucks over a light beat."""
    ring = Ring(118, 12)
    chords = [(43, 59, 62, 67), (50, 57, 62, 66), (52, 59, 64, 67), (48, 60, 64, 67)] * 3
    hook = [(0, 79), (0.75, 78), (1.5, 74), (2.5, 76), (3, 78), (3.5, 74)]
    for bar, chord in enumerate(chords):
        start = bar * 4.0
        ring.put("pad", start, widen(play.pad(chord[1:], ring.beat * 4.3, 1400)), 0.55)
        for step in (0, 1.5, 2, 3.5):
            ring.put("bass", start + step, play.bass(chord[0] - 12, ring.beat * 0.5), 0.55)
        pattern = (chord[1], chord[3], chord[2], chord[3])
        for i in range(16):
            level = 0.26 if i % 4 == 0 else 0.17
            ring.put("pluck", start + i * 0.25, play.pluck(pattern[i % 4] + 12, 0.24), level, 0.35)
        for i, at in enumerate((0, 0.75, 1.5, 2.25, 3, 3.5)):
            ring.put("marimba", start + at, play.marimba(chord[1 + i % 3] + 12), 0.34, -0.35)
        if bar >= 4:
            shift = (0, 0, 2, -2)[bar % 4]
            for at, note in hook[: 4 if bar % 2 else 6]:
                ring.put("bells", start + at, play.bell(note + shift, 1.2), 0.2, 0.1)
        ring.put("snare", start + 1, play.clap(), 0.3)
        ring.put("snare", start + 3, play.clap(), 0.3)
        if bar % 4 == 3:
            ring.put("snare", start + 3.5, play.snap(), 0.3)
    for b in ring.beats():
        ring.put("kick", b, play.kick(False), 0.62)
        ring.put("hats", b + 0.5, play.hat(0.05), 0.26, -0.3)
        ring.put("hats", b + 0.75, play.shaker(), 0.16, 0.3)
    return ring.mix(
        ducked={"pad": 0.6, "bass": 0.35, "pluck": 0.3},
        wet={"bells": 0.5, "marimba": 0.22, "pluck": 0.18, "snare": 0.14},
        pump=ring.beats(),
    )


@dataclass(frozen=True, slots=True)
class Song:
    """A track of the catalogue."""

    key: str
    title_fa: str
    title_en: str
    bpm: float
    compose: Callable[[], Signal]


SONGS = (
    Song("bazaar_light", "نور بازار", "Bazaar Light", 112, _esfahan),
    Song("first_light", "نخستین نور", "First Light", 90, _first_light),
    Song("window_seat", "کنار پنجره", "Window Seat", 82, _window_seat),
    Song("clear_steps", "گام‌های روشن", "Clear Steps", 118, _clear_steps),
)
