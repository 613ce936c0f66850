"""What ``aerender`` prints, as events.

Owns the shapes of its lines. Fed with bytes as they come, in any pieces; survives bytes of no
encoding, any order, any language. A line that has no known shape is nothing: silence is for the
watchdogs to judge, wrong pictures for the proof. Pure, no I/O.
"""

import re
from collections.abc import Iterator

from msgspec import Struct

LINE_BYTES = 4 * 1024  # what is longer is cut: no line that matters is


class Banner(Struct, frozen=True):
    """``aerender version 24.6x2``; comes first, or last."""

    version: str


class Started(Struct, frozen=True):
    """A composition began: its project is open."""

    comp: str


class Frame(Struct, frozen=True):
    """A frame is done. ``token`` is what stands in parentheses: opaque, distinct per frame."""

    token: str
    timecode: str


class Finished(Struct, frozen=True):
    """A composition is done."""

    comp: str


class Warned(Struct, frozen=True):
    """A warning that spoils nothing by itself."""

    text: str


class Errored(Struct, frozen=True):
    """An error line. A run that prints one has failed whatever its exit status."""

    text: str


Event = Banner | Started | Frame | Finished | Warned | Errored

_BANNER = re.compile(r"\baerender\s+version\s+([0-9][0-9A-Za-z.]*)", re.IGNORECASE)
#: ``0:00:00:00``, drop-frame ``0;00;01;05``, feet and frames ``0002+04``, plain ``00036``.
_FRAME = re.compile(
    r"^(?:[^\s:：]{1,40}\s?[:：])?\s*([0-9][0-9:;.,+]{0,30})\s+\(([^()]{1,24})\)\s*[:：]"
)
#: From the first quote to the last one: names hold quotes too. Single ones only where there is no
#: double one: they are apostrophes as well.
_QUOTED = re.compile(
    r"[“”„«»‹›\"]\s?(.{1,255}?)\s?[“”«»‹›\"](?=[^“”„«»‹›\"]*$)"
    r"|^[^“”„«»‹›\"]*?[‘’‚']\s?(.{1,255}?)\s?[‘’'](?=[^“”„«»‹›\"‘’']*$)"
)
_STARTING = re.compile(r"\bStarting composition\b", re.IGNORECASE)
_FINISHED = re.compile(r"\bFinished composition\b", re.IGNORECASE)
_DATED = re.compile(r"[0-9]{1,4}[./\-年][ ]?[0-9]{1,2}[./\-月].*[0-9]{1,2}[:.][0-9]{2}[:.][0-9]{2}")
_ERROR = re.compile(
    r"^\s*(?:aerender\s+)?(?:ERROR|FEHLER|ERREUR|ERRORE|ERRO|ОШИБКА|エラー|오류|错误|錯誤)\s*[:：]"
    r"|^\s*(?:WARNING\s*:\s*)?After\s?Effects[\s-]+"
    r"(?:error|fehler|erreur|errore|erro|ошибка|エラー|오류|错误)\s*[:：]"
    r"|^\s*(?:erreur|error|errore|erro|ошибка)\s+(?:d[’']|de |di |do )?\s?After\s?Effects\s*[:：]",
    re.IGNORECASE,
)
_WARNING = re.compile(
    r"^\s*(?:WARNING|WARNUNG|AVERTISSEMENT|ADVERTENCIA|AVVISO|AVISO|ПРЕДУПРЕЖДЕНИЕ|警告|경고)\s*[:：]",
    re.IGNORECASE,
)
#: Warnings that spoil the video: an error that was only logged, and fonts that are replaced.
_SPOILING = re.compile(
    r"logged \S+ errors?|\berror\s*:|unable to render|missing (fonts?|footage|effects?|files?)",
    re.IGNORECASE,
)
#: Drivers and loaders talk on the same pipe, of errors too; none of them is After Effects'.
_NOISE = re.compile(
    r"LoadLibrary|\bGPU|\bCUDA|OpenCL|OpenGL|\bMetal\b|dynamiclink|dvacore|DirectX|Vulkan|"
    r"\bobjc\[|CoreText|GFXMessage",
)
#: Lines of After Effects itself may name files and layers by any words.
_OURS = re.compile(r"^\s*PROGRESS\s*:|^.{0,40}(After\s?Effects|aerender)\b", re.IGNORECASE)


class LogParser:
    """Turns bytes into events. ``feed`` what comes, then ``end`` once."""

    def __init__(self) -> None:
        self._rest = b""
        self._cut = False
        self._open: set[str] = set()  # compositions that started
        self.tokens: set[str] = set()
        self.tail: list[str] = []  # the last lines, for a report

    @property
    def frames(self) -> int:
        """How many distinct frames were told."""
        return len(self.tokens)

    def feed(self, data: bytes) -> Iterator[Event]:
        """Yield the events of the lines that are complete."""
        self._rest += data
        while True:
            end = _line_end(self._rest)
            if end is None:
                break
            line, self._rest = self._rest[: end[0]], self._rest[end[1] :]
            if self._cut:
                self._cut = False  # the end of a line whose start was judged
                continue
            yield from self._line(line)
        if len(self._rest) > LINE_BYTES:
            line, self._rest = self._rest[:LINE_BYTES], b""
            if not self._cut:
                self._cut = True
                yield from self._line(line)

    def end(self) -> Iterator[Event]:
        """Yield the events of a last line without an end."""
        line, self._rest = self._rest, b""
        if line and not self._cut:
            yield from self._line(line)

    def _line(self, raw: bytes) -> Iterator[Event]:
        text = _decode(raw)
        if not text.strip():
            return
        self.tail = [*self.tail[-39:], text.strip()[:400]]
        event = self._event(text)
        if event is not None:
            yield event

    def _event(self, text: str) -> Event | None:
        if found := _BANNER.search(text):
            return Banner(found[1])
        if found := _FRAME.match(text):
            token = found[2].strip()
            self.tokens.add(token)
            return Frame(token, found[1])
        if _NOISE.search(text) and not _OURS.match(text):
            return None
        if _WARNING.match(text):
            spoils = _ERROR.match(text) or _SPOILING.search(text)
            return Errored(text.strip()) if spoils else Warned(text.strip())
        if _ERROR.match(text):
            return Errored(text.strip())
        return self._composition(text)

    def _composition(self, text: str) -> Event | None:
        """Tell starting from finishing, by the words in English and by the order elsewhere."""
        quoted = _QUOTED.search(text)
        if quoted is None:
            return None
        comp = quoted[1] or quoted[2]
        if _STARTING.search(text):
            self._open.add(comp)
            return Started(comp)
        if _FINISHED.search(text):
            return Finished(comp)
        if not _DATED.search(text):
            return None
        if comp in self._open:
            return Finished(comp)
        self._open.add(comp)
        return Started(comp)


def _line_end(data: bytes) -> tuple[int, int] | None:
    """Return where the first line ends and the next begins; a return at the end may go on."""
    ends = [place for place in (data.find(b"\n"), data.find(b"\r")) if place >= 0]
    if not ends:
        return None
    end = min(ends)
    if data[end : end + 1] == b"\r":
        if end + 1 == len(data):
            return None
        return end, end + (2 if data[end + 1 : end + 2] == b"\n" else 1)
    return end, end + 1


def _decode(raw: bytes) -> str:
    """Return text whatever the bytes: UTF-8, else what Windows writes in the West.

    Names in other code pages come out wrong; the shapes of lines, which are ASCII, do not.
    """
    raw = raw.replace(b"\0", b"").removeprefix(b"\xef\xbb\xbf")
    try:
        return raw.decode("utf-8")
    except UnicodeDecodeError:
        return raw.decode("cp1252", "replace")
