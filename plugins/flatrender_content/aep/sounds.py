"""What is heard in a project, as sounds of its scenes. Pure.

After Effects draws pictures for us and we mix the sound, so a layer that plays a sound file becomes
a sound of the scene in which it begins: where, how long, from which moment of its file, how loud.
What is nested is heard where its comp is, as long as that is, and as much louder or softer.
"""

from collections.abc import Callable, Iterator, Sequence
from itertools import islice

from msgspec import Struct
from msgspec.structs import replace

from flatrender.template.manifest import SceneSound
from flatrender.template.project_scan import ProjectScan, ScanComp, ScanFootage, ScanLayer
from flatrender_content.aep.places import place_of
from flatrender_content.aep.proposal import ProposedScene

MOST_SOUNDS = 200  # of a scene or of a Fix template
_MOST_LAYERS = 50_000  # looked at, for comps in comps in comps
_SILENT_DB = -60.0
_LOUDEST_DB = 12.0
_LONGEST = 3600.0
_SHORTEST = 0.001

Tell = Callable[..., None]


class Heard(Struct, frozen=True, kw_only=True):
    """A sound on the line of a comp, in its seconds."""

    item: ScanFootage
    comp: ScanComp
    layer: ScanLayer
    begin: float
    end: float
    trim: float
    gain: float


class _Stage(Struct, frozen=True, kw_only=True):
    """A comp where it is heard: ``at`` is its second 0, from ``begin`` to ``end``, so loud."""

    comp: ScanComp
    at: float
    begin: float
    end: float
    gain: float = 0.0
    above: frozenset[int] = frozenset()


def with_sounds(
    scan: ProjectScan, final: ScanComp, scenes: Sequence[ProposedScene], tell: Tell
) -> list[ProposedScene]:
    """Return the scenes with their sounds; ``tell(code, place, ...)`` takes what is left out."""
    ear = _Ear(scan, tell)
    if final.name == "frfinal":
        heard = ear.all(final)
        return [replace(scene, sounds=_within(scene, heard)) for scene in scenes]
    ear.outside(final)
    comps = {comp.id: comp for comp in scan.comps}
    return [
        replace(scene, sounds=[_sound(one, 0.0) for one in ear.all(comps[scene.comp_id])])
        for scene in scenes
    ]


def _within(scene: ProposedScene, heard: Sequence[Heard]) -> list[SceneSound]:
    """Return what begins while a scene plays; it may go on in the next one."""
    end = scene.start + scene.duration
    return [_sound(one, scene.start) for one in heard if scene.start <= one.begin < end]


def _sound(heard: Heard, start: float) -> SceneSound:
    return SceneSound(
        path=heard.item.bundled or "",
        at=round(heard.begin - start, 6),
        gain_db=round(min(_LOUDEST_DB, heard.gain), 2),
        trim_start=round(heard.trim, 6),
        duration=round(heard.end - heard.begin, 6),
    )


class _Ear:
    def __init__(self, scan: ProjectScan, tell: Tell) -> None:
        self._comps = {comp.id: comp for comp in scan.comps}
        self._footage = {item.id: item for item in scan.footage}
        self._tell = tell

    def all(self, comp: ScanComp) -> list[Heard]:
        """Return what is heard in a comp, in order."""
        stage = _Stage(comp=comp, at=0.0, begin=0.0, end=comp.duration)
        found = list(islice(self._heard(stage), MOST_SOUNDS + 1))
        if len(found) > MOST_SOUNDS:
            self._tell("sounds_too_many", comp.name, most=MOST_SOUNDS)
        return sorted(found[:MOST_SOUNDS], key=lambda one: one.begin)

    def outside(self, final: ScanComp) -> None:
        """Tell of sounds that lie in the final comp itself, which is assembled anew."""
        for layer in final.layers:
            if layer.kind == "audio" and layer.sound is not None:
                self._tell("sound_outside", place_of((final, layer)))

    def _heard(self, first: _Stage) -> Iterator[Heard]:
        waiting, left = [first], _MOST_LAYERS
        while waiting and left > 0:
            stage = waiting.pop()
            for layer in stage.comp.layers:
                left -= 1
                if layer.sound is None or left <= 0:
                    continue
                begin = max(stage.begin, stage.at + layer.in_point)
                end = min(stage.end, stage.at + layer.out_point)
                zero = stage.at + layer.sound.start
                gain = stage.gain + layer.sound.level_db
                if end - begin < _SHORTEST or gain <= _SILENT_DB:
                    continue
                inner = self._comps.get(layer.source_id or 0)
                if inner is None:
                    yield from self._footage_heard(stage.comp, layer, begin, end, zero, gain)
                elif inner.id not in stage.above:
                    if layer.sound.varies:
                        self._tell("sound_varies", place_of((stage.comp, layer)))
                    waiting.append(
                        _Stage(
                            comp=inner,
                            at=zero,
                            begin=begin,
                            end=min(end, zero + inner.duration),
                            gain=gain,
                            above=stage.above | {stage.comp.id},
                        )
                    )

    def _footage_heard(  # noqa: PLR0917 - private, one caller
        self,
        comp: ScanComp,
        layer: ScanLayer,
        begin: float,
        end: float,
        zero: float,
        gain: float,
    ) -> Iterator[Heard]:
        item = self._footage.get(layer.source_id or 0)
        place = place_of((comp, layer))
        if item is not None and item.kind == "video":
            self._tell("sound_of_video", place)
        if item is None or item.kind != "audio" or not item.bundled or item.missing:
            return
        begin = max(begin, zero)  # before its source begins, a layer is silent
        if item.duration > 0:
            end = min(end, zero + item.duration)
        if end - begin < _SHORTEST or max(begin, end - begin, begin - zero) > _LONGEST:
            return
        if layer.sound is not None and layer.sound.varies:
            self._tell("sound_varies", place)
        yield Heard(
            item=item, comp=comp, layer=layer, begin=begin, end=end, trim=begin - zero, gain=gain
        )
