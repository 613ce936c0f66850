"""What bytes are, and what may be uploaded as what."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from flatrender_files import domain
from flatrender_files.domain import ALLOWED, BINARY, MAX_BYTES, MP4, PNG, SVG, sniff


@given(st.binary(max_size=600))
def test_any_bytes_are_something(head: bytes) -> None:
    kind = sniff(head)
    assert kind.extension.isalnum()
    for purpose in ALLOWED:
        assert domain.accepts(purpose, kind) in (True, False)


@pytest.mark.parametrize(
    ("head", "extension"),
    [
        (b"\x89PNG\r\n\x1a\n", "png"),
        (b"\xff\xd8\xff\xe0", "jpg"),
        (b"RIFF\0\0\0\0WEBPVP8 ", "webp"),
        (b"RIFF\0\0\0\0WAVEfmt ", "wav"),
        (b"RIFF\0\0\0\0AVI LIST", "bin"),
        (b"OggS\0", "ogg"),
        (b"fLaC\0", "flac"),
        (b"\0\0\0\x20ftypM4A ", "m4a"),
        (b"\0\0\0\x20ftypisom", "mp4"),
        (b"\x1aE\xdf\xa3", "webm"),
        (b"ID3\4", "mp3"),
        (b"\xff\xfb\x90\0", "mp3"),
        (b"\xff\xfe<\0h\0", "bin"),  # UTF-16 text, not a sound
        (b"\0\1\0\0", "ttf"),
        (b"OTTO", "otf"),
        (b"PK\3\4", "zip"),
        (b"<svg xmlns='x'/>", "svg"),
        (b"\xef\xbb\xbf<?xml version='1.0'?><svg/>", "svg"),
        (b"<!doctype html><svg/>", "bin"),
        (b"", "bin"),
    ],
)
def test_bytes_are_known_by_their_signature(head: bytes, extension: str) -> None:
    assert sniff(head).extension == extension


def test_what_a_browser_would_run_is_never_inline() -> None:
    assert not SVG.inline
    assert not BINARY.inline


def test_only_other_takes_anything() -> None:
    takers = {purpose for purpose in ALLOWED if domain.accepts(purpose, BINARY)}
    assert takers == {"other"}
    assert {p for p in ALLOWED if domain.accepts(p, SVG)} == {"library", "other"}
    assert domain.accepts("avatar", PNG)
    assert domain.accepts("voiceover", MP4)  # a sound in an MP4
    assert not domain.accepts("nonsense", PNG)
    assert set(ALLOWED) == set(MAX_BYTES)
