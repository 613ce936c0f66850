"""Embedding levels of one paragraph: rules P2 to I2 of UAX #9, written after the standard.

Owns the rules that look at whole paragraphs, on lists of bidirectional classes. ICU's own
implementation is not used for them: it gives one level to text that it finds to run one way, and
misplaces overrides next to isolates, so that it fails the standard's conformance files; ICU's
character properties are used.

Classes are the numbers of ICU's ``UCharDirection``, which are stable API.
"""

from collections.abc import Sequence
from itertools import pairwise
from typing import Any

import icu

L, R, EN, ES, ET, AN, CS, B, S, WS, ON = range(11)
LRE, LRO, AL, RLE, RLO, PDF, NSM, BN, FSI, LRI, RLI, PDI = range(11, 23)

MAX_DEPTH = 125
_MAX_BRACKETS = 63

_EMBEDDINGS = frozenset({LRE, LRO, RLE, RLO})
_INITIATORS = frozenset({FSI, LRI, RLI})
_EXPLICIT = _EMBEDDINGS | _INITIATORS | {PDF, PDI, BN}
REMOVED = _EMBEDDINGS | {PDF, BN}  # by rule X9
_NEUTRAL = frozenset({B, S, WS, ON, FSI, LRI, RLI, PDI})
_SIMPLE = frozenset({L, EN, ES, ET, CS, S, WS, ON, NSM, B})  # all level 0 in a left-to-right text

_char: Any = icu.Char  # type: ignore[attr-defined]  # PyICU has no stubs
_BRACKET_TYPE: Any = icu.UProperty.BIDI_PAIRED_BRACKET_TYPE  # type: ignore[attr-defined]  # as above
_CANONICAL = {"\u2329": "\u3008", "\u232a": "\u3009"}  # BD16: canonical equivalents pair


class _Classes(dict[str, int]):
    """Bidirectional class by character, asked of ICU once each."""

    def __missing__(self, char: str) -> int:
        value = self[char] = int(_char.charDirection(char))
        return value


class _Brackets(dict[str, tuple[int, str]]):
    """By character: 1 for an opening bracket with its closing one, 2 for a closing one, else 0."""

    def __missing__(self, char: str) -> tuple[int, str]:
        kind = int(_char.getIntPropertyValue(char, _BRACKET_TYPE))
        other = _char.getBidiPairedBracket(ord(char))
        pair = (chr(other) if isinstance(other, int) else str(other)) if kind else ""
        own = _CANONICAL.get(char, char)
        value = self[char] = (kind, _CANONICAL.get(pair, pair) if kind == 1 else own)
        return value


CLASS = _Classes()
_BRACKET = _Brackets()


def first_strong(classes: Sequence[int], start: int = 0, *, isolate: bool = False) -> int | None:
    """Return the level that the first strong character gives (P2, P3), ``None`` without one.

    With ``isolate`` the search ends at the PDI that closes the isolate before ``start`` (X5c).
    """
    depth = 0
    for index in range(start, len(classes)):
        kind = classes[index]
        if kind in _INITIATORS:
            depth += 1
        elif kind == PDI:
            if depth:
                depth -= 1
            elif isolate:
                return None
        elif not depth and kind == L:
            return 0
        elif not depth and kind in {R, AL}:
            return 1
    return None


def resolve(text: str, classes: Sequence[int], base: int) -> list[int]:
    """Return the level of every character. Those that X9 removes take the level before them."""
    kinds = set(classes)
    if base == 0 and kinds <= _SIMPLE:
        return [0] * len(classes)
    out = [base] * len(classes)
    current = list(classes)
    if kinds & _EXPLICIT:
        _explicit(classes, current, out, base)
        kept = [n for n, kind in enumerate(classes) if kind not in REMOVED]
    else:
        kept = list(range(len(classes)))
    for sequence, sos, eos in _sequences(classes, out, kept, base):
        _sequence(text, current, out, sequence, sos, eos)
    if len(kept) != len(classes):
        level = base
        for n, kind in enumerate(classes):
            if kind in REMOVED:
                out[n] = level
            level = out[n]
    return out


def _explicit(classes: Sequence[int], current: list[int], out: list[int], base: int) -> None:
    """Apply X1 to X8: levels of embeddings, overrides and isolates."""
    stack: list[tuple[int, int | None, bool]] = [(base, None, False)]
    over_isolates = over_embeddings = isolates = 0
    for n, kind in enumerate(classes):
        level, override, isolated = stack[-1]
        if kind in _EMBEDDINGS:
            new = level + 1 + ((level + (kind in {LRE, LRO})) & 1)
            if new <= MAX_DEPTH and not over_isolates and not over_embeddings:
                forced = {LRO: L, RLO: R}.get(kind)
                stack.append((new, forced, False))
            elif not over_isolates:
                over_embeddings += 1
        elif kind in _INITIATORS:
            out[n] = level
            if override is not None:
                current[n] = override
            rightward = kind == LRI or (
                kind == FSI and first_strong(classes, n + 1, isolate=True) != 1
            )
            new = level + 1 + ((level + rightward) & 1)
            if new <= MAX_DEPTH and not over_isolates and not over_embeddings:
                isolates += 1
                stack.append((new, None, True))
            else:
                over_isolates += 1
        elif kind == PDI:
            if over_isolates:
                over_isolates -= 1
            elif isolates:
                over_embeddings = 0
                while not stack[-1][2]:
                    stack.pop()
                stack.pop()
                isolates -= 1
            level, override, _ = stack[-1]
            out[n] = level
            if override is not None:
                current[n] = override
        elif kind == PDF:
            if over_isolates:
                pass
            elif over_embeddings:
                over_embeddings -= 1
            elif not isolated and len(stack) > 1:
                stack.pop()
        elif kind == B:
            out[n] = base
        elif kind != BN:
            out[n] = level
            if override is not None:
                current[n] = override


def _sequences(
    classes: Sequence[int], levels: list[int], kept: list[int], base: int
) -> list[tuple[list[int], int, int]]:
    """Return the isolating run sequences with their sos and eos (BD13, X10)."""
    if not kept:
        return []
    runs: list[list[int]] = [[kept[0]]]
    for before, after in pairwise(kept):
        if levels[before] == levels[after]:
            runs[-1].append(after)
        else:
            runs.append([after])
    closing = _matches(classes) if PDI in classes else {}
    opened = set(closing.values())
    starts = {run[0]: run for run in runs}
    place = {n: at for at, n in enumerate(kept)}
    found: list[tuple[list[int], int, int]] = []
    for run in runs:
        if run[0] in opened:  # goes on where an isolate closes: part of another sequence
            continue
        sequence = list(run)
        while sequence[-1] in closing and closing[sequence[-1]] in starts:
            sequence += starts[closing[sequence[-1]]]
        level = levels[run[0]]
        at = place[run[0]]
        before = levels[kept[at - 1]] if at else base
        at = place[sequence[-1]]
        last = classes[sequence[-1]]
        open_end = at + 1 == len(kept) or last in _INITIATORS
        after = base if open_end else levels[kept[at + 1]]
        found.append((sequence, max(level, before) & 1, max(level, after) & 1))
    return found


def _matches(classes: Sequence[int]) -> dict[int, int]:
    """Return the PDI of every isolate initiator that has one (BD9)."""
    stack: list[int] = []
    found: dict[int, int] = {}
    for n, kind in enumerate(classes):
        if kind in _INITIATORS:
            stack.append(n)
        elif kind == PDI and stack:
            found[stack.pop()] = n
    return found


def _sequence(  # noqa: PLR0917 - the state of the rules
    text: str, current: list[int], out: list[int], sequence: list[int], sos: int, eos: int
) -> None:
    """Resolve one isolating run sequence: W1 to W7, N0 to N2, I1 and I2."""
    level = out[sequence[0]]
    side = level & 1
    before = [current[n] for n in sequence]
    kinds = set(before)
    if kinds <= {L} or kinds <= {R}:
        kinds_now = before
    else:
        kinds_now = _weak(before, sos)
        if ON in kinds_now:
            _brackets(text, sequence, before, kinds_now, side, sos)
        _neutral(kinds_now, side, sos, eos)
    for n, kind in zip(sequence, kinds_now, strict=True):
        if side:
            out[n] = level + (kind != R)
        elif kind != L:
            out[n] = level + (1 if kind == R else 2)


def _weak(before: list[int], sos: int) -> list[int]:
    kinds: list[int] = []
    previous = strong = sos
    for kind in before:
        if kind == NSM:  # W1
            kind = ON if previous in _INITIATORS or previous == PDI else previous  # noqa: PLW2901
        previous = kind
        if kind in {L, R, AL}:
            strong = kind
        if kind == EN and strong == AL:  # W2
            kinds.append(AN)
        else:
            kinds.append(R if kind == AL else kind)  # W3
    present = set(kinds)
    if present & {ES, ET, CS}:
        _separators(kinds)
    if EN in present:  # W7
        strong = sos
        for n, kind in enumerate(kinds):
            if kind in {L, R}:
                strong = kind
            elif kind == EN and strong == L:
                kinds[n] = L
    return kinds


def _separators(kinds: list[int]) -> None:
    for n in range(1, len(kinds) - 1):  # W4
        kind = kinds[n]
        if kind in {ES, CS}:
            left, right = kinds[n - 1], kinds[n + 1]
            if left == right and (left == EN or (left == AN and kind == CS)):
                kinds[n] = left
    n = 0
    while n < len(kinds):  # W5
        if kinds[n] != ET:
            n += 1
            continue
        end = n
        while end < len(kinds) and kinds[end] == ET:
            end += 1
        if (n and kinds[n - 1] == EN) or (end < len(kinds) and kinds[end] == EN):
            kinds[n:end] = [EN] * (end - n)
        n = end
    for n, kind in enumerate(kinds):  # W6
        if kind in {ES, ET, CS}:
            kinds[n] = ON


def _strength(kind: int) -> int | None:
    """Return the direction a character counts as among neutrals: numbers count as R."""
    if kind == L:
        return L
    return R if kind in {R, EN, AN} else None


def _brackets(  # noqa: PLR0917 - the state of one rule
    text: str, sequence: list[int], before: list[int], kinds: list[int], side: int, sos: int
) -> None:
    """Apply N0 to bracket pairs (BD16), in the order of their opening brackets."""
    stack: list[tuple[str, int]] = []
    pairs: list[tuple[int, int]] = []
    for at, n in enumerate(sequence):
        if kinds[at] != ON:
            continue
        kind, name = _BRACKET[text[n]]
        if kind == 1:
            if len(stack) == _MAX_BRACKETS:
                break
            stack.append((name, at))
        elif kind == 2:
            for depth in range(len(stack) - 1, -1, -1):
                if stack[depth][0] == name:
                    pairs.append((stack[depth][1], at))
                    del stack[depth:]
                    break
    for start, end in sorted(pairs):
        inside = {_strength(kinds[at]) for at in range(start + 1, end)}
        if side in inside:
            chosen = side
        elif 1 - side in inside:
            context = sos
            for at in range(start - 1, -1, -1):
                found = _strength(kinds[at])
                if found is not None:
                    context = found
                    break
            chosen = context if context == 1 - side else side
        else:
            continue
        for at in (start, end):
            kinds[at] = chosen
            follow = at + 1
            while follow < len(kinds) and before[follow] == NSM:
                kinds[follow] = chosen
                follow += 1


def _neutral(kinds: list[int], side: int, sos: int, eos: int) -> None:
    """Apply N1 and N2 to every stretch of neutrals."""
    n = 0
    count = len(kinds)
    left = sos
    while n < count:
        kind = kinds[n]
        if kind not in _NEUTRAL:
            left = L if kind == L else R
            n += 1
            continue
        end = n + 1
        while end < count and kinds[end] in _NEUTRAL:
            end += 1
        right = eos if end == count else (L if kinds[end] == L else R)
        kinds[n:end] = [left if left == right else side] * (end - n)
        n = end
