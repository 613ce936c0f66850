"""What names mean: from a scan to the template that its designer drew. Pure.

``frfinal`` (Fix, MusicVisualizer) or ``flatrender`` (Flexible, Mockup) is the final comp;
``frshare`` holds shared colours. ``frl_<key>`` is visible and editable, ``frd_<key>`` data,
``frd_d<key>`` the right-to-left companion of an ``frl_`` layer, ``frc_<key>`` a container that is
duplicated, ``frs_<key>`` a reference to a shared colour. In Fix templates ``frl_c<x>t<y>`` is text
and ``frl_c<x>m<y>`` media of scene ``c<x>``. A name that could mean two things is a problem with
both places, never a guess: values end in the wrong layer otherwise.
"""

import itertools
import re
from collections.abc import Iterable, Iterator

from flatrender.template.after_effects import FINAL_COMPS, SHARED_COMP
from flatrender.template.manifest import Aspect, Mode
from flatrender.template.project_scan import ProjectScan, ScanComp, ScanFootage, ScanLayer, ScanNote
from flatrender_content.aep.places import (
    Placed,
    layer_ref,
    natural_order,
    number_of,
    place_of,
    scene_key,
    used_colors,
)
from flatrender_content.aep.proposal import (
    LayerRef,
    Proposal,
    ProposedColor,
    ProposedContent,
    ProposedScene,
)
from flatrender_content.aep.slots import content_of, shared_color
from flatrender_content.aep.sounds import with_sounds
from flatrender_content.aep.words import note

_KEY = re.compile(r"[a-z][a-z0-9_]{0,62}")
_FIX = re.compile(r"(c[0-9]{1,4})([tm])([0-9]{1,4})")
_ASPECTS: tuple[tuple[Aspect, float], ...] = (("16:9", 16 / 9), ("1:1", 1.0), ("9:16", 9 / 16))
_DIRECTION = "direction"


def propose(scan: ProjectScan, mode: Mode) -> Proposal:
    """Return the template that a scan holds, for a container of ``mode``."""
    return _Proposer(scan, mode).run()


class _Proposer:
    def __init__(self, scan: ProjectScan, mode: Mode) -> None:
        self._scan = scan
        self._mode: Mode = mode
        self._comps = {comp.id: comp for comp in scan.comps}
        self._footage = {item.id: item for item in scan.footage}
        self._problems: list[ScanNote] = []
        self._notes: list[ScanNote] = list(scan.notes)

    def run(self) -> Proposal:
        final = self._final()
        if final is None:
            return Proposal(mode=self._mode, problems=self._problems, notes=self._notes)
        colors = list(self._colors())
        fixed = final.name == "frfinal"
        scenes = self._fixed(final) if fixed else self._assembled(final)
        scenes = with_sounds(self._scan, final, scenes, self._note)
        self._check_colors(scenes, {color.key for color in colors})
        if not scenes:
            self._problem("no_scenes", final.name)
        for item in self._scan.footage:
            if item.missing:
                self._note("footage_missing", item.path)
        self._driven(scenes)
        return Proposal(
            comp=final.name,
            mode=self._mode,
            aspect=self._aspect(final),
            width=final.width,
            height=final.height,
            fps=self._fps(final),
            duration=final.duration if fixed else round(sum(s.duration for s in scenes), 6),
            scenes=scenes,
            colors=colors,
            problems=self._problems,
            notes=self._notes,
        )

    # The final comp

    def _final(self) -> ScanComp | None:
        found = [comp for comp in self._scan.comps if comp.name in FINAL_COMPS]
        if len(found) != 1:
            code = "final_comp_missing" if not found else "final_comp_twice"
            self._problem(code, ", ".join(f"{c.folder}/{c.name}".strip("/") for c in found))
            return None
        if self._mode not in FINAL_COMPS[found[0].name]:
            self._problem("mode_mismatch", found[0].name, mode=self._mode)
        return found[0]

    def _aspect(self, final: ScanComp) -> Aspect | None:
        ratio = final.width / final.height
        for aspect, wanted in _ASPECTS:
            if abs(ratio / wanted - 1) < 0.01:
                return aspect
        self._problem("aspect_unsupported", final.name, size=f"{final.width}x{final.height}")
        return None

    def _fps(self, final: ScanComp) -> int:
        whole = round(final.fps)
        if abs(final.fps - whole) > 0.0005 or not 1 <= whole <= 60:
            self._problem("fps_unsupported", final.name, fps=final.fps)
        return min(60, max(1, whole))

    # Fix: scenes are numbered by their layers

    def _fixed(self, final: ScanComp) -> list[ProposedScene]:
        layers = self._reachable(final)
        groups: dict[str, dict[str, list[Placed]]] = {}
        wanted: dict[str, str] = {}
        for placed, key in self._named(layers, "frl_"):
            found = _FIX.fullmatch(key)
            if found is None:
                self._problem("not_a_fix_key", place_of(placed), key=key)
                continue
            wanted[key] = found.group(2)
            groups.setdefault(found.group(1), {}).setdefault(key, []).append(placed)
        companions = self._companions(layers, wanted.keys())
        references = self._references(layers)
        spans = self._spans(final, groups)
        scenes = []
        for key in sorted(groups, key=lambda k: (spans[k][0], number_of(k))):
            contents = groups[key]
            comps = {comp.id: comp for placed in contents.values() for comp, _ in placed}
            host = next(iter(comps.values())) if len(comps) == 1 else final
            scenes.append(
                ProposedScene(
                    key=key,
                    name=host.name if host is not final else key,
                    comp=host.name,
                    comp_id=host.id,
                    start=spans[key][0],
                    duration=spans[key][1],
                    contents=self._contents(contents, companions, wanted),
                    colors=used_colors(references, comps),
                )
            )
        return scenes

    def _spans(
        self, final: ScanComp, groups: dict[str, dict[str, list[Placed]]]
    ) -> dict[str, tuple[float, float]]:
        """Return start and length of each scene: they share out the final comp without a gap.

        A scene begins where its first layer does; it ends where the next one begins.
        """
        starts = self._starts(final)
        begins = {
            key: min(
                starts.get(comp.id, 0.0) + layer.in_point
                for placed in contents.values()
                for comp, layer in placed
            )
            for key, contents in groups.items()
        }
        order = sorted(begins, key=lambda k: (begins[k], number_of(k)))
        cuts = [0.0, *(begins[key] for key in order[1:]), final.duration]
        frame = 1 / final.fps
        if any(later - sooner < frame for sooner, later in itertools.pairwise(cuts)):
            # They play at the same time: each is given an equal share, so that the sum is right.
            if len(order) > 1:
                self._note("scenes_overlap", final.name)
            cuts = [final.duration * n / len(order) for n in range(len(order) + 1)]
        return {
            key: (round(cuts[n], 6), round(cuts[n + 1] - cuts[n], 6)) for n, key in enumerate(order)
        }

    def _starts(self, final: ScanComp) -> dict[int, float]:
        """Return when each comp first shows in the final one, through all comps between."""
        starts: dict[int, float] = {final.id: 0.0}
        waiting = [final]
        while waiting:
            comp = waiting.pop()
            for layer in comp.layers:
                inner = self._comps.get(layer.source_id or 0)
                at = starts[comp.id] + layer.in_point
                if inner and (inner.id not in starts or at < starts[inner.id] - 1e-6):
                    if inner.id not in starts:
                        waiting.append(inner)
                    starts[inner.id] = at
        return starts

    # Flexible: a scene is a comp

    def _assembled(self, final: ScanComp) -> list[ProposedScene]:
        stage: dict[int, tuple[ScanComp, ScanLayer | None]] = {}
        for layer in sorted(final.layers, key=lambda x: x.in_point):
            comp = self._comps.get(layer.source_id or 0)
            if comp and comp.name != SHARED_COMP:
                stage.setdefault(comp.id, (comp, layer))
        for comp in self._scan.comps:
            if comp.name.startswith("frc_"):
                stage.setdefault(comp.id, (comp, None))
        named: dict[str, ScanComp] = {}
        scenes = []
        for comp, shown in stage.values():
            key = scene_key(comp.name)
            if not _KEY.fullmatch(key):
                self._problem("scene_key_invalid", comp.name, key=key)
                continue
            if key in named:
                other = named[key]
                self._problem("scene_key_collision", comp.name, key=key, other=other.name)
                continue
            named[key] = comp
            scenes.append(self._scene(key, comp, shown, final, stage.keys() - {comp.id}))
        for comp in self._scan.comps:
            if comp.name in {s.comp for s in scenes} and comp.id not in stage:
                self._problem("comp_name_twice", comp.name)
        return scenes

    def _scene(
        self,
        key: str,
        comp: ScanComp,
        shown: ScanLayer | None,
        final: ScanComp,
        others: Iterable[int],
    ) -> ProposedScene:
        layers = self._reachable(comp, frozenset(others))
        wanted: dict[str, str] = {}
        groups: dict[str, list[Placed]] = {}
        for placed, name in self._named(layers, "frl_"):
            groups.setdefault(name, []).append(placed)
            wanted[name] = "t" if placed[1].kind == "text" else "m"
        companions = self._companions(layers, groups.keys())
        taken = {layer.layer_id for refs in companions.values() for layer in refs}
        for placed, name in self._named(layers, "frd_"):
            if placed[1].id in taken or name == _DIRECTION:
                continue
            if placed[1].kind != "text":
                self._note("data_not_text", place_of(placed))
                continue
            if name in groups and groups[name][0][1].name.startswith("frl_"):
                other = place_of(groups[name][0])
                self._problem("content_key_collision", place_of(placed), key=name, other=other)
                continue
            wanted[name] = "d"
            groups.setdefault(name, []).append(placed)
        container = None
        if shown is not None and shown.name.startswith("frc_"):
            container = layer_ref(final, shown)
        flexible = self._mode == "Flexible"
        return ProposedScene(
            key=key,
            name=comp.name,
            comp=comp.name,
            comp_id=comp.id,
            start=shown.in_point if shown else 0.0,
            duration=comp.duration,
            in_default=shown is not None,
            repeatable=flexible and (container is not None or comp.name.startswith("frc_")),
            removable=flexible,
            container=container,
            contents=self._contents(groups, companions, wanted),
            colors=used_colors(self._references(layers), None),
        )

    # Layers

    def _reachable(self, root: ScanComp, without: frozenset[int] = frozenset()) -> list[Placed]:
        """Return the layers of a comp and of all comps in it, each comp once."""
        seen = {root.id, *without}
        waiting, found = [root], []
        while waiting:
            comp = waiting.pop(0)
            for layer in comp.layers:
                found.append((comp, layer))
                inner = self._comps.get(layer.source_id or 0)
                if inner and inner.id not in seen and inner.name != SHARED_COMP:
                    seen.add(inner.id)
                    waiting.append(inner)
        return found

    def _named(self, layers: Iterable[Placed], prefix: str) -> Iterator[tuple[Placed, str]]:
        """Yield layers with ``prefix`` and their keys; a key that is none is a problem."""
        for placed in layers:
            name = placed[1].name
            if not name.startswith(prefix):
                if name.lower().startswith(prefix):
                    self._problem("layer_key_invalid", place_of(placed), key=name)
                continue
            key = name.removeprefix(prefix)
            if _KEY.fullmatch(key):
                yield placed, key
            else:
                self._problem("layer_key_invalid", place_of(placed), key=key)

    def _companions(
        self, layers: Iterable[Placed], keys: Iterable[str]
    ) -> dict[str, list[LayerRef]]:
        """Return ``frd_d<key>`` layers by the key they stand beside."""
        names = {f"frd_d{key}": key for key in keys}
        found: dict[str, list[LayerRef]] = {}
        for comp, layer in layers:
            if key := names.get(layer.name):
                found.setdefault(key, []).append(layer_ref(comp, layer))
        return found

    def _references(self, layers: Iterable[Placed]) -> list[tuple[str, LayerRef]]:
        return [(key, layer_ref(*placed)) for placed, key in self._named(layers, "frs_")]

    def _contents(
        self,
        groups: dict[str, list[Placed]],
        companions: dict[str, list[LayerRef]],
        wanted: dict[str, str],
    ) -> list[ProposedContent]:
        contents = []
        for key, placed in groups.items():
            made, findings = content_of(
                key,
                wanted[key],
                placed,
                companions.get(key, []),
                {item.id: item for item in self._sources(placed)},
            )
            self._problems += findings
            if made is not None:
                contents.append(made)
        return sorted(contents, key=lambda content: natural_order(content.key))

    def _sources(self, placed: Iterable[Placed]) -> Iterator[ScanFootage]:
        for _, layer in placed:
            if item := self._footage.get(layer.source_id or 0):
                yield item

    # Colours

    def _colors(self) -> Iterator[ProposedColor]:
        shares = [comp for comp in self._scan.comps if comp.name == SHARED_COMP]
        if len(shares) > 1:
            self._problem("share_comp_twice", SHARED_COMP)
        seen: dict[str, ScanLayer] = {}
        for comp in shares[:1]:
            for layer in comp.layers:
                if layer.kind != "text":
                    continue
                place = place_of((comp, layer))
                read = shared_color(layer.text or "")
                if not _KEY.fullmatch(layer.name):
                    self._problem("color_key_invalid", place, key=layer.name)
                elif layer.name in seen:
                    self._problem("color_key_twice", place, key=layer.name)
                elif read is None:
                    self._problem("color_invalid", place, text=(layer.text or "")[:80])
                else:
                    seen[layer.name] = layer
                    kind, value, scale = read
                    yield ProposedColor(
                        key=layer.name,
                        kind=kind,
                        default=value,
                        scale=scale,
                        layer=layer_ref(comp, layer),
                    )

    def _check_colors(self, scenes: Iterable[ProposedScene], known: set[str]) -> None:
        for scene in scenes:
            for key, layers in scene.colors.items():
                if key not in known:
                    place = f"{layers[0].comp}/{layers[0].layer}"
                    self._problem("color_unknown", place, key=key)

    def _driven(self, scenes: Iterable[ProposedScene]) -> None:
        """Say which bound layers an expression drives: After Effects may then ignore the value."""
        bound = {r.layer_id for s in scenes for c in s.contents for r in c.layers}
        for comp in self._scan.comps:
            for layer in comp.layers:
                if layer.id in bound and "ADBE Text Document" in layer.expressions:
                    self._note("text_driven", place_of((comp, layer)))

    def _problem(self, code: str, place: str, **params: object) -> None:
        found = note(code, place, **params)
        if found not in self._problems:
            self._problems.append(found)

    def _note(self, code: str, place: str, **params: object) -> None:
        found = note(code, place, **params)
        if found not in self._notes:
            self._notes.append(found)
