"""The parser of aerender's log: its events, and that nothing fed to it breaks it."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from flatrender_render.engines.aerender.loglines import (
    LINE_BYTES,
    Banner,
    Errored,
    Event,
    Finished,
    Frame,
    LogParser,
    Started,
    Warned,
)

LOG = """aerender version 24.6x2
PROGRESS:  10/31/2026 1:59:13 AM: Starting composition “frfinal”.
PROGRESS:  Frame Rate: 25.00 (comp)
PROGRESS:  Duration: 0:00:05:00
PROGRESS:  0:00:00:00 (1): 0 Seconds
PROGRESS:  0;00;01;05 (36): 0 Seconds
PROGRESS:  10/31/2026 2:00:41 AM: Finished composition “frfinal”.
PROGRESS:  Total Time Elapsed: 1 Min, 28 Sec
WARNING:After Effects warning: Project has missing fonts.
aerender ERROR: No comp was found with the given name.
aerender ERROR: Runtime error in After Effects.
After Effects error: Error reading the text layer. Skipping...
WARNING:After Effects warning: logged one error  error: Unable to Render: File Not Found C:\\a.png
""".encode()


def events(*blocks: bytes) -> list[Event]:
    """Parse blocks as they would come."""
    parser = LogParser()
    found = [event for block in blocks for event in parser.feed(block)]
    return [*found, *parser.end()]


def one(line: str | bytes) -> Event | None:
    """Parse one line."""
    found = events(line if isinstance(line, bytes) else line.encode())
    assert len(found) <= 1
    return found[0] if found else None


def test_the_log_of_the_manual() -> None:
    found = events(LOG)
    assert found[:5] == [
        Banner("24.6x2"),
        Started("frfinal"),
        Frame("1", "0:00:00:00"),
        Frame("36", "0;00;01;05"),
        Finished("frfinal"),
    ]
    assert all(isinstance(event, Errored) for event in found[5:])
    assert len(found) == 10


@pytest.mark.parametrize("quotes", ["“{}”", "„{}“", "« {} »", '"{}"', "'{}'", "‘{}’"])
def test_quotes_of_every_kind(quotes: str) -> None:
    line = f"PROGRESS:  10/31/2026 1:59:13 AM: Starting composition {quotes.format('fr final')}."
    assert one(line) == Started("fr final")
    name = "it's"
    line = f"PROGRESS:  10/31/2026 1:59:13 AM: Finished composition {quotes.format(name)}."
    assert one(line) == Finished(name)


@pytest.mark.parametrize(
    ("start", "end"),
    [
        ("31.10.2026 01:59:13: Komposition „x“ wird gestartet.",
         "31.10.2026 02:00:41: Komposition „x“ abgeschlossen."),
        ("2026/10/31 1:59:13: コンポジション \"x\" を開始しています。",
         "2026/10/31 2:00:41: コンポジション \"x\" が終了しました。"),
        ("2026/10/31 1:59:13: شروع ترکیب «x».", "2026/10/31 2:00:41: پایان ترکیب «x»."),
    ],
)  # fmt: skip
def test_a_composition_begins_and_ends_in_any_language(start: str, end: str) -> None:
    found = events(f"PROGRESS:  {start}\nPROGRESS:  {end}\n".encode())
    assert found == [Started("x"), Finished("x")]


@pytest.mark.parametrize(
    ("line", "token"),
    [
        ("PROGRESS:  0:00:00:00 (1): 0 Seconds", "1"),
        ("PROGRESS:  0;00;01;05 (36): 0 Sekunden", "36"),
        ("FORTSCHRITT:  0:00:00:07 (8) : 0 s", "8"),
        ("  0:00:00:07 (0-8): 1 Second", "0-8"),
        ("PROGRESS:  00036 (1.036): 0 Seconds", "1.036"),
        ("PROGRESS:  0002+04 (36)： 0 秒", "36"),
    ],
)
def test_frame_lines(line: str, token: str) -> None:
    found = one(line)
    assert isinstance(found, Frame)
    assert found.token == token


@pytest.mark.parametrize(
    "line",
    [
        "PROGRESS:  Frame Rate: 25.00 (comp)",
        "PROGRESS:  Framerate: 25,00 (Komp.)",
        "PROGRESS:  Duration: 0:00:05:00",
        'LoadLibrary "c:\\x.dll" failed, error: 126',
        "ERROR: GPU sniffer could not start",
        "PROGRESS:  aerender ERROR: is what the layer is called",
        "",
        "   ",
    ],
)
def test_lines_that_mean_nothing(line: str) -> None:
    assert one(line) is None


@pytest.mark.parametrize(
    "line",
    [
        "aerender ERROR: whatever",
        "After Effects error: the GPU could not draw Metal.mov",
        "ERROR: whatever",
        "After Effects-Fehler: Datei fehlt",
        "FEHLER: etwas",
        "After Effects エラー: ファイル",
        "WARNING:After Effects warning: Project has missing fonts.",
        "WARNING: 3 footage items; error: Unable to Render",
    ],
)
def test_error_lines(line: str) -> None:
    assert one(line) == Errored(line)


def test_a_warning_is_no_error() -> None:
    assert one("WARNING:After Effects warning: A frame took long.") == Warned(
        "WARNING:After Effects warning: A frame took long."
    )


def test_bytes_of_no_encoding_do_not_hide_an_error() -> None:
    found = one(b"After Effects error: caf\xe9 \xff\x81 could not be read")
    assert isinstance(found, Errored)


def test_frames_are_counted_once_however_often_and_in_whatever_order() -> None:
    parser = LogParser()
    numbers = [3, 1, 2, 2, 3, 7]
    lines = "".join(f"PROGRESS:  0:00:00:0{n} ({n}): 0 Seconds\r\n" for n in numbers)
    assert len(list(parser.feed(lines.encode()))) == len(numbers)
    assert parser.frames == 4


@settings(deadline=None)
@given(st.lists(st.binary(max_size=40), max_size=12))
def test_no_bytes_break_it(blocks: list[bytes]) -> None:
    events(*blocks)


@settings(deadline=None)
@given(st.data())
def test_the_pieces_it_comes_in_change_nothing(data: st.DataObject) -> None:
    text = data.draw(st.sampled_from([LOG, LOG.replace(b"\n", b"\r\n"), LOG.replace(b"\n", b"\r")]))
    cuts = sorted(data.draw(st.lists(st.integers(0, len(text)), max_size=20)))
    ends = [*cuts, len(text)]
    blocks = [text[a:b] for a, b in zip([0, *cuts], ends, strict=True)]
    assert events(*blocks) == events(LOG)


@settings(deadline=None)
@given(st.lists(st.integers(0, 9999), unique=True, max_size=40), st.randoms(use_true_random=False))
def test_distinct_frames_are_counted_amid_noise(numbers: list[int], chance: object) -> None:
    parser = LogParser()
    for number in numbers:
        list(parser.feed(b"\xff\x00\xc3(\n"))
        list(parser.feed(f"PROGRESS:  0:00:00:00 ({number}): 0 Seconds\n".encode()))
    assert parser.frames == len(numbers)


@settings(deadline=None)
@given(st.binary(min_size=1, max_size=40), st.integers(500, 2000))
def test_a_line_without_end_costs_bounded_memory(part: bytes, times: int) -> None:
    parser = LogParser()
    block = (part * times).replace(b"\n", b"").replace(b"\r", b"")
    for _ in range(4):
        list(parser.feed(block))
        assert len(parser._rest) <= LINE_BYTES + len(block)
    assert list(parser.feed(b"\naerender ERROR: after it\n"))[-1:] == [
        Errored("aerender ERROR: after it")
    ]
