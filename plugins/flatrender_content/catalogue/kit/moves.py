"""How things arrive, breathe and leave: movements shared by the templates.

Owns timing habits: arrivals start fast and settle (expo), small things overshoot, nothing stands
quite still during a hold. Times are seconds of the scene.
"""

from flatrender_content.catalogue.lottie_dsl.easing import Ease
from flatrender_content.catalogue.lottie_dsl.text import By, animator, selector
from flatrender_content.catalogue.lottie_dsl.values import Animated, Json, Vec, keys


def rise(at: float, length: float = 1.0, distance: float = 60.0, by: By = "words") -> Json:
    """Words (or lines) rise one after another and fade in."""
    sweep = keys((at, -100.0), (at + length, 100.0, "cubic_out"))
    return animator(
        selector(by=by, offset=sweep, ramp=True), position=(0.0, distance), opacity=0.0, name="rise"
    )


def slide(at: float, length: float, distance: float, by: By = "words") -> Json:
    """Words come in sideways; a positive distance comes from the right."""
    sweep = keys((at, -100.0), (at + length, 100.0, "cubic_out"))
    return animator(
        selector(by=by, offset=sweep, ramp=True),
        position=(distance, 0.0),
        opacity=0.0,
        name="slide",
    )


def grow(at: float, length: float = 0.9, size: float = 40.0, by: By = "words") -> Json:
    """Words swell to their size one after another."""
    sweep = keys((at, -100.0), (at + length, 100.0, "cubic_out"))
    return animator(
        selector(by=by, offset=sweep, ramp=True), scale=(size, size), opacity=0.0, name="grow"
    )


def appear(at: float, length: float = 0.5) -> Animated:
    """Opacity from nothing."""
    return keys((at, 0.0), (at + length, 100.0, "sine_in_out"))


def pop(at: float, length: float = 0.6, *, to: float = 100.0) -> Animated:
    """Scale from nothing with an overshoot."""
    return keys((at, (0.0, 0.0)), (at + length, (to, to), "back_out"))


def settle(at: float, start: float, end: float, length: float = 0.9) -> Animated:
    """Scale of a thing that was larger or smaller and comes to rest."""
    return keys((at, (start, start)), (at + length, (end, end), "expo_out"))


def travel(
    at: float, start: Vec, end: Vec, length: float = 0.9, ease: Ease = "expo_out"
) -> Animated:
    """Position from one point to another."""
    return keys((at, start), (at + length, end, ease))


def drift(
    arrive: float, start: Vec, rest: Vec, until: float, by: Vec, *, length: float = 0.9
) -> Animated:
    """Arrive at ``rest``, then go on by a little until the end, as a slow camera would."""
    end = tuple(a + b for a, b in zip(rest, by, strict=True))
    return keys((arrive, start), (arrive + length, rest, "expo_out"), (until, end, "sine_in_out"))


def strike(at: float, length: float = 0.7, ease: Ease = "expo_out") -> Animated:
    """Percentage of a line that draws itself."""
    return keys((at, 0.0), (at + length, 100.0, ease))
