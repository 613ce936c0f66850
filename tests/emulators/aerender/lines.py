"""The lines of ``aerender``'s log, in several languages."""

import sys
from collections.abc import Callable

VERSION = "24.6x2"

_WORDS = {
    "en": ("10/31/2026 1:59:13 AM: Starting composition “{}”.",
           "10/31/2026 2:00:41 AM: Finished composition “{}”.",
           "Frame Rate: {:.2f} (comp)", "Duration: {}", "{}: {} Seconds",
           "Total Time Elapsed: 1 Min, 28 Sec"),
    "de": ("31.10.2026 01:59:13: Komposition „{}“ wird gestartet.",
           "31.10.2026 02:00:41: Komposition „{}“ abgeschlossen.",
           "Framerate: {:.2f} (Komp.)", "Dauer: {}", "{}: {} Sekunden",
           "Insgesamt verstrichene Zeit: 1 Min., 28 Sek."),
    "fr": ("31/10/2026 01:59:13 : Début de la composition « {} ».",
           "31/10/2026 02:00:41 : Composition « {} » terminée.",
           "Cadence : {:.2f} (comp.)", "Durée : {}", "{} : {} secondes",
           "Temps total écoulé : 1 min 28 s"),
    "ja": ("2026/10/31 1:59:13: コンポジション \"{}\" を開始しています。",
           "2026/10/31 2:00:41: コンポジション \"{}\" が終了しました。",
           "フレームレート: {:.2f} (コンポ)", "デュレーション: {}", "{}: {} 秒",
           "合計経過時間: 1 分 28 秒"),
    "fa": ("2026/10/31 1:59:13: شروع ترکیب «{}».", "2026/10/31 2:00:41: پایان ترکیب «{}».",
           "نرخ فریم: {:.2f} (ترکیب)", "مدت: {}", "{}: {} ثانیه", "کل زمان: 1 دقیقه"),
}  # fmt: skip


class Log:
    """Prints lines as After Effects does."""

    def __init__(self, language: str = "en", *, drop: bool = False, garbage: bool = False) -> None:
        self._language = language
        self._mark = ";" if drop else ":"
        self._garbage = garbage

    def raw(self, data: bytes) -> None:
        """Print bytes."""
        sys.stdout.buffer.write(data)
        sys.stdout.buffer.flush()

    def line(self, text: str) -> None:
        """Print one line, with what drivers say in between where asked."""
        if self._garbage:
            self.raw(b"\xff\xfe\x00GPU \x81\x8d error 126: LoadLibrary failed\r\n\xc3\x28\r\n")
        self.raw(text.encode() + b"\n")

    def banner(self) -> None:
        """Print the version."""
        self.line(f"aerender version {VERSION}")

    def starting(self, comp: str, fps: float, frames: int) -> None:
        """Print the head of a composition."""
        start, _, rate, duration, _, _ = _WORDS[self._language]
        self._progress(start.format(comp))
        number = rate.format(fps)
        self._progress(number.replace(".", ",", 1) if self._language != "en" else number)
        self._progress(duration.format(self._timecode(frames, fps)))

    def frame(self, frame: int, number: int, fps: float) -> None:
        """Print that a frame is done."""
        line = _WORDS[self._language][4]
        self._progress(line.format(f"{self._timecode(frame, fps)} ({number})", 0))

    def finished(self, comp: str) -> None:
        """Print the end of a composition."""
        self._progress(_WORDS[self._language][1].format(comp))
        self._progress(_WORDS[self._language][5])

    def _progress(self, text: str) -> None:
        self.line(f"PROGRESS:  {text}")

    def _timecode(self, frame: int, fps: float) -> str:
        rate = max(1, round(fps))
        seconds = frame // rate
        parts: tuple[Callable[[], str], ...] = (
            lambda: f"{seconds // 3600}",
            lambda: f"{seconds // 60 % 60:02d}",
            lambda: f"{seconds % 60:02d}",
            lambda: f"{frame % rate:02d}",
        )
        return self._mark.join(part() for part in parts)
