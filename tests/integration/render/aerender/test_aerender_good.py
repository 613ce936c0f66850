"""Runs in which nothing goes wrong: the customer's values in the very frames."""

import copy
from typing import Any

import numpy as np
import pytest


def expected(desk: Any, text: str, size: tuple[int, int]) -> list[Any]:
    """Draw what the Fix template must show, from a file written apart from any binding."""
    final = copy.deepcopy(desk.project["items"][0])
    own, companion, photo, *rest = final["layers"]
    companion["t"]["d"]["k"][0]["s"]["t"] = text
    companion["hd"], own["hd"] = False, True
    photo["refId"] = "photo"
    asset = {"id": "photo", "w": size[0], "h": size[1], "u": "", "e": 1,
             "p": "data:image/png;base64," + _base64(size)}  # fmt: skip
    lottie = {"v": "5.9.0", "w": 160, "h": 90, "fr": 30, "ip": 0, "op": final["op"], "ddd": 0,
              "assets": [asset], "layers": [own, companion, photo, *rest]}  # fmt: skip
    return desk.drawn(lottie, primary="#102030", box="#40c080")


def _base64(size: tuple[int, int]) -> str:
    import base64
    import io

    from PIL import Image

    buffer = io.BytesIO()
    Image.new("RGBA", size, "#cc3366").save(buffer, "PNG")
    return base64.b64encode(buffer.getvalue()).decode()


def test_frames_equal_those_of_the_embedded_engine(bound: Any) -> None:
    wanted = expected(bound.desk, "سلام", (64, 64))
    assert sorted(bound.frames) == list(range(len(wanted)))
    for number, pixels in bound.frames.items():
        assert np.array_equal(pixels, wanted[number]), f"frame {number}"


@pytest.mark.parametrize(
    "odd",
    [
        {"language": "de", "drop": True, "banner": "last"},
        {"language": "fr", "garbage": True},
        {"language": "ja", "mfr": True},
        {"language": "fa", "quiet": True},
        {"lines": ["PROGRESS:  aerender ERROR: is the name of a comp", "GPU error: none", "\x07"]},
    ],
)
def test_whatever_is_printed_the_frames_are_the_same(bound: Any, odd: dict[str, Any]) -> None:
    frames = bound.render(odd, first=3, last=8)
    assert sorted(frames) == list(range(3, 9))
    assert all(np.array_equal(frames[n], bound.frames[n]) for n in frames)


def test_the_command_line_of_a_range(bound: Any) -> None:
    bound.render(first=3, last=5)
    arguments = bound.desk.ae.arguments()
    assert arguments[arguments.index("-s") + 1 : arguments.index("-s") + 4] == ["3", "-e", "5"]
    assert arguments[-3:] == ["-mfr", "ON", "90"]


def test_a_still_is_that_frame(bound: Any) -> None:
    bound.desk.ae.behave()
    assert np.array_equal(bound.session.still(7), bound.frames[7])
