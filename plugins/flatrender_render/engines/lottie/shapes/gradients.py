"""Gradients (Lottie "Gradient", "Gradient colors"): stops, linear and radial shaders.

``k`` of the colours holds ``p`` stops of four numbers (offset, r, g, b) and after them alpha
stops of two (offset, alpha). Both lists have their own offsets, so they are merged to one.
"""

import math
from typing import Any

import skia

from flatrender_render.engines.lottie.properties import Property, Vector, gradient, position, scalar
from flatrender_render.engines.lottie.reader import Obj

MAX_STOPS = 256  # of one gradient; After Effects allows far fewer
MIDPOINT_STEPS = 12  # straight pieces that stand for one curved way between stops

Stops = tuple[list[int], list[float]]


def parse_stops(raw: Vector, count: int) -> Stops:
    """Return colours as 0xAARRGGBB and their offsets, rising from 0 to 1."""
    if count <= 0 or count * 4 > len(raw):
        count = len(raw) // 4
    count = min(count, MAX_STOPS)
    colors = [(min(max(raw[n], 0.0), 1.0), raw[n + 1 : n + 4]) for n in range(0, count * 4, 4)]
    rest = raw[count * 4 :][: 2 * MAX_STOPS]
    alphas = [(min(max(rest[n], 0.0), 1.0), rest[n + 1]) for n in range(0, len(rest) - 1, 2)]
    colors.sort(key=lambda s: s[0])
    alphas.sort(key=lambda s: s[0])
    if not colors:
        return [0, 0], [0.0, 1.0]
    colors = with_midpoints(colors)
    alphas = [(at, a[0]) for at, a in with_midpoints([(at, (a,)) for at, a in alphas])]
    offsets = [at for at, _ in colors]
    if alphas:
        offsets = _union(offsets, [at for at, _ in alphas])
    out_colors: list[int] = []
    out_offsets: list[float] = []
    seen: dict[float, int] = {}
    for at in offsets:
        nth = seen.get(at, 0)
        seen[at] = nth + 1
        r, g, b = _mix(colors, at, nth)
        alpha = _mix([(p, (a,)) for p, a in alphas], at, nth)[0] if alphas else 1.0
        out_colors.append(argb(r, g, b, alpha))
        out_offsets.append(at)
    if len(out_colors) == 1:
        return out_colors * 2, [0.0, 1.0]
    return out_colors, out_offsets


def with_midpoints(stops: list[tuple[float, Vector]]) -> list[tuple[float, Vector]]:
    """Bend the ways between stops as After Effects does around a midpoint that is off centre.

    Bodymovin writes each midpoint as a stop of its own, with the mean of its neighbours: a list of
    that form (and only such a list) comes from After Effects. There the colour runs from one stop
    to the next as ``1 - (1 - u)^q`` where the midpoint ``m`` lies before the middle, with ``q`` so
    that half is reached at ``m``, and as the mirror image of that where it lies behind.
    """
    if len(stops) < 3 or len(stops) % 2 == 0:
        return stops
    for (_, before), (_, middle), (_, after) in zip(
        stops[::2], stops[1::2], stops[2::2], strict=False
    ):
        if any(
            abs((a + b) / 2 - m) > 0.0021 for a, m, b in zip(before, middle, after, strict=True)
        ):
            return stops
    out = [stops[0]]
    for (a_at, a), middle_stop, (b_at, b) in zip(
        stops[::2], stops[1::2], stops[2::2], strict=False
    ):
        span = b_at - a_at
        m = (middle_stop[0] - a_at) / span if span > 1e-6 else 0.5
        if abs(m - 0.5) < 0.02 or a == b:
            out += [middle_stop, (b_at, b)]
            continue
        m = min(max(m, 0.02), 0.98)
        for step in range(1, MIDPOINT_STEPS + 1):
            u = step / MIDPOINT_STEPS
            if m < 0.5:
                y = 1 - math.pow(1 - u, math.log(0.5) / math.log(1 - m))
            else:
                y = math.pow(u, math.log(0.5) / math.log(m))
            mixed = tuple([p + (q - p) * y for p, q in zip(a, b, strict=True)])
            out.append((a_at + span * u, mixed))
    return out


def _union(a: list[float], b: list[float]) -> list[float]:
    """Merge two sorted lists; an offset is kept as often as the list that has it most."""
    out: list[float] = []
    for at in sorted(set(a) | set(b)):
        out += [at] * max(a.count(at), b.count(at))
    return out


def _mix(stops: list[tuple[float, Vector]], at: float, nth: int) -> Vector:
    """Return the value at an offset; of several stops there (a hard edge), the nth."""
    here = [value for position, value in stops if position == at]
    if here:
        return here[min(nth, len(here) - 1)]
    before = None
    for stop_at, value in stops:
        if stop_at > at:
            if before is None:
                return value
            span = stop_at - before[0]
            part = (at - before[0]) / span if span > 0 else 0.0
            return tuple([x + (y - x) * part for x, y in zip(before[1], value, strict=True)])
        before = (stop_at, value)
    return stops[-1][1]


def argb(r: float, g: float, b: float, a: float = 1.0) -> int:
    """Pack a colour of floats 0..1 as 0xAARRGGBB."""
    channels = [min(max(round(v * 255), 0), 255) for v in (a, r, g, b)]
    return channels[0] << 24 | channels[1] << 16 | channels[2] << 8 | channels[3]


class Gradient:
    """A gradient over time, as a Skia shader in the space of its group."""

    def __init__(self, obj: Obj) -> None:
        self.radial = obj.int("t", 1) == 2
        self.start = position(obj, "s")
        self.end = position(obj, "e")
        self.length = scalar(obj, "h")
        self.angle = scalar(obj, "a")
        colors = obj.child("g")
        self.count = colors.int("p") if colors is not None else 0
        self.stops = gradient(colors, "k") if colors is not None else gradient(obj, "k")
        self.parts: tuple[Property[Any], ...] = (
            self.start,
            self.end,
            self.length,
            self.angle,
            self.stops,
        )
        self.static = all(p.static for p in self.parts)
        self._memo: tuple[object, skia.Shader] | None = None

    def shader(self, frame: float) -> skia.Shader:
        """Return the shader at a frame; the same object while nothing changes."""
        if self._memo is not None and self.static:
            return self._memo[1]
        values = tuple([p.at(frame) for p in self.parts])
        if self._memo is not None and self._memo[0] == values:
            return self._memo[1]
        shader = self._make(
            self.start.at(frame)[:2],
            self.end.at(frame)[:2],
            (self.length.at(frame), self.angle.at(frame)),
            parse_stops(self.stops.at(frame), self.count),
        )
        self._memo = (values, shader)
        return shader

    def _make(
        self, start: Vector, end: Vector, highlight: tuple[float, float], stops: Stops
    ) -> skia.Shader:
        colors, offsets = stops
        (x0, y0), (x1, y1) = start, end
        reach = math.hypot(x1 - x0, y1 - y0)
        if reach < 1e-4:  # no extent: everything lies beyond the end
            return skia.Shaders.Color(colors[-1])
        if not self.radial:
            return skia.GradientShader.MakeLinear(
                [skia.Point(x0, y0), skia.Point(x1, y1)], colors, offsets
            )
        # The highlight is the focus: a share of the radius away from the centre, at an angle
        # from the line to the end point.
        share = min(max(highlight[0] / 100.0, -0.99), 0.99)
        if abs(share) < 1e-6:
            return skia.GradientShader.MakeRadial(skia.Point(x0, y0), reach, colors, offsets)
        turn = math.atan2(y1 - y0, x1 - x0) + math.radians(highlight[1])
        focus = skia.Point(x0 + math.cos(turn) * reach * share, y0 + math.sin(turn) * reach * share)
        return skia.GradientShader.MakeTwoPointConical(
            focus, 0.0, skia.Point(x0, y0), reach, colors, offsets
        )
