"""``flatrender lottie``: pictures, videos, values, one clear line for every refusal."""

import io
import json
import zipfile
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
from click.testing import CliRunner, Result
from PIL import Image

from flatrender.testing.lottie_files import (
    document,
    fill,
    group,
    layer,
    png,
    rect,
    shapes,
    solid,
)
from flatrender_render.engines.lottie.cli import lottie

Raw = dict[str, Any]


def raw() -> Raw:
    brand = {**fill(1, 0, 0), "c": {"a": 0, "k": [1, 0, 0, 1], "sid": "brand"}}
    picture = {"id": "p", "w": 16, "h": 16, "u": "images/", "p": "a.png", "e": 0, "sid": "photo"}
    return document(
        shapes(group(rect(32, 32, 20, 20), brand)), layer(2, refId="p"), assets=[picture]
    )


@pytest.fixture
def file(tmp_path: Path) -> Path:
    (tmp_path / "images").mkdir()
    (tmp_path / "images" / "a.png").write_bytes(png(4, 4, (0, 255, 0, 255)))
    path = tmp_path / "x.json"
    path.write_text(json.dumps(raw()))
    return path


def run(*words: object) -> Result:
    return CliRunner().invoke(lottie, [str(w) for w in words])


def test_picture_of_a_frame_with_its_assets_beside(file: Path, tmp_path: Path) -> None:
    out = tmp_path / "out.png"
    result = run(file, "-o", out, "--frame", 3)
    assert result.exit_code == 0, result.output
    picture = Image.open(out)
    assert picture.size == (64, 64)
    assert picture.convert("RGBA").getpixel((32, 32)) == (255, 0, 0, 255)
    assert picture.convert("RGBA").getpixel((4, 4)) == (0, 255, 0, 255)
    assert picture.convert("RGBA").getpixel((60, 60)) == (0, 0, 0, 0), "transparent"


def test_size_and_background(file: Path, tmp_path: Path) -> None:
    out = tmp_path / "out.png"
    assert run(file, "-o", out, "--size", "200x100", "--background", "#0000ff").exit_code == 0
    picture = Image.open(out).convert("RGBA")
    assert picture.size == (200, 100)
    assert picture.getpixel((100, 50)) == (255, 0, 0, 255), "whole and centred"
    assert picture.getpixel((5, 50)) == (0, 0, 255, 255)


def test_values(file: Path, tmp_path: Path) -> None:
    (tmp_path / "blue.png").write_bytes(png(4, 4, (0, 0, 255, 255)))
    values = tmp_path / "values.json"
    values.write_text(json.dumps({"brand": "#ffff00", "photo": {"path": "blue.png", "zoom": 2}}))
    out = tmp_path / "out.png"
    result = run(file, "-o", out, "--slots", values)
    assert result.exit_code == 0, result.output
    picture = Image.open(out).convert("RGBA")
    assert picture.getpixel((32, 32)) == (255, 255, 0, 255)
    assert picture.getpixel((4, 4)) == (0, 0, 255, 255)


def test_video_has_every_frame(file: Path, tmp_path: Path) -> None:
    out = tmp_path / "out.mp4"
    result = run(file, "-o", out, "--background", "#ffffff")
    assert result.exit_code == 0, result.output
    with av.open(str(out)) as container:
        frames = [f.to_ndarray(format="rgb24") for f in container.decode(video=0)]
    assert len(frames) == 60
    assert frames[0].shape == (64, 64, 3)
    red = frames[30][28:36, 28:36].reshape(-1, 3).mean(axis=0)
    assert np.allclose(red, (255, 0, 0), atol=12)


def bundle(tmp_path: Path, *names: str, folder: str = "a") -> Path:
    data = io.BytesIO()
    with zipfile.ZipFile(data, "w") as archive:
        archive.writestr("manifest.json", json.dumps({"animations": [{"id": n} for n in names]}))
        for name in names:
            archive.writestr(f"{folder}/{name}.json", json.dumps(raw()))
        pictures = "i" if folder == "a" else "images"
        archive.writestr(f"{pictures}/a.png", png(4, 4, (0, 255, 0, 255)))
    path = tmp_path / "x.lottie"
    path.write_bytes(data.getvalue())
    return path


@pytest.mark.parametrize("folder", ["a", "animations"])
def test_zips_of_both_versions(tmp_path: Path, folder: str) -> None:
    out = tmp_path / "out.png"
    assert run(bundle(tmp_path, "main", folder=folder), "-o", out).exit_code == 0
    assert Image.open(out).convert("RGBA").getpixel((4, 4)) == (0, 255, 0, 255)


def test_a_zip_of_several_needs_a_choice(tmp_path: Path) -> None:
    path = bundle(tmp_path, "one", "two")
    asked = run(path)
    assert asked.exit_code == 1
    assert "--animation: one, two" in asked.output
    assert run(path, "--animation", "two").exit_code == 0
    assert run(path, "--animation", "three").exit_code == 1


def test_without_output_it_describes(file: Path) -> None:
    result = run(file)
    assert result.exit_code == 0
    assert "64 x 64, 30 frames/s, frames 0 to 60 (2.00 s)" in result.output
    assert "slot brand: color, default #ff0000" in result.output


def test_what_is_not_drawn_is_told(tmp_path: Path) -> None:
    path = tmp_path / "x.json"
    path.write_text(json.dumps(document(solid("#fff", 5, 5, bm=17))))
    assert "not drawn: blend mode 17 (layer 1: /layers/0)" in run(path).output


def refused(result: Result, *words: str) -> None:
    assert result.exit_code == 1
    lines = [line for line in result.output.splitlines() if line]
    assert len(lines) == 1, result.output
    assert lines[0].startswith("flatrender: ")
    for word in words:
        assert word in lines[0]


def test_refusals_are_one_line(file: Path, tmp_path: Path) -> None:
    bad = tmp_path / "bad.json"
    bad.write_text("{")
    refused(run(bad), "bad.json", "not JSON")
    bad.write_text(json.dumps({**raw(), "w": "wide"}))
    refused(run(bad), "/w", "expected a number")
    values = tmp_path / "v.json"
    for content, word in (
        ("{", "v.json"),
        ("[]", "expected an object"),
        ('{"nope": 1}', "there is no slot 'nope'; there are: brand, photo"),
        ('{"brand": 5}', "takes a colour"),
        ('{"brand": [1]}', "brand"),
        ('{"photo": "gone.png"}', "gone.png"),
        ('{"photo": {"pth": "x"}}', "photo"),
    ):
        values.write_text(content)
        refused(run(file, "--slots", values), word)
    refused(run(file, "-o", tmp_path / "no" / "x.png"), "x.png")
    refused(run(file, "--animation", "x"), "--animation")
    zipped = tmp_path / "broken.lottie"
    zipped.write_bytes(b"PK\x03\x04" + b"\0" * 40)
    refused(run(zipped), "broken.lottie")


@pytest.mark.parametrize(
    "words",
    [
        ["--size", "5"],
        ["--size", "0x5"],
        ["--size", "99999x5"],
        ["--background", "red"],
        ["-o", "x.gif"],
        ["-o", "x.mp4", "--frame", "3"],
        ["--direction", "up"],
    ],
)
def test_misuse_exits_with_two(file: Path, words: list[str]) -> None:
    assert run(file, *words).exit_code == 2


def test_a_missing_file_is_misuse() -> None:
    assert run("nowhere.json").exit_code == 2
