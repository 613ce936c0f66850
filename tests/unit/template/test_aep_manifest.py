"""``flatrender.json`` of an After Effects bundle reads back as it was written."""

import msgspec
import pytest

from flatrender.template.after_effects import AepColor, AepManifest


@pytest.mark.parametrize(
    ("kind", "default"), [("color", "#ff8000"), ("color", "#FF800080"), ("switch", "3")]
)
def test_a_manifest_reads_back(kind: str, default: str) -> None:
    color = msgspec.convert({"key": "a", "layer": "a", "kind": kind, "default": default}, AepColor)
    manifest = AepManifest(project="a.aep", comp="frfinal", mode="Fix", colors=[color])
    assert msgspec.json.decode(msgspec.json.encode(manifest), type=AepManifest) == manifest


@pytest.mark.parametrize("default", ["4", "#ff80", "red", ""])
def test_what_is_neither_colour_nor_switch_is_refused(default: str) -> None:
    with pytest.raises(msgspec.ValidationError):
        msgspec.convert({"key": "a", "layer": "a", "kind": "color", "default": default}, AepColor)
