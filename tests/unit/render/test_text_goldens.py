"""Pictures of text that people have looked at: letters join, order is right, boxes hold.

To renew them after a wanted change: ``FLATRENDER_RENEW_GOLDENS=1 pytest`` this file, then look at
every picture that changed before committing it.
"""

import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import skia

from flatrender_render.engines.lottie.limits import Limits
from flatrender_render.engines.lottie.reader import Document, Obj
from flatrender_render.engines.lottie.text import FontBook, TextContext, TextLayer

GOLDENS = Path(__file__).parent / "text_goldens"
WIDTH, HEIGHT = 640, 240


def document(text: str, **more: Any) -> dict[str, Any]:
    return {
        "t": text,
        "f": "Vazirmatn-Bold",
        "s": 56,
        "lh": 78,
        "j": 2,
        "tr": 0,
        "fc": [0.06, 0.1, 0.25],
        "ps": [20, 30],
        "sz": [600, 180],
        **more,
    }


def layer(text: str, **more: Any) -> dict[str, Any]:
    return {"d": {"k": [{"t": 0, "s": document(text, **more)}]}, "a": []}


def animated(text: str, animator: dict[str, Any], **more: Any) -> dict[str, Any]:
    return {**layer(text, **more), "a": [animator]}


RANGE = {"t": 0, "b": 1, "r": 1, "sh": 1, "a": {"k": 100}, "e": {"k": 100}, "o": {"k": 0}}

CASES: dict[str, dict[str, Any]] = {
    "persian": layer("سلام دنیا، به فلت‌رندر خوش آمدید"),
    "arabic": layer("مرحبًا بالعالم، أهلًا وسهلًا"),
    "hebrew": layer("שָׁלוֹם עוֹלָם, ברוכים הבאים", f="NotoSansHebrew-Bold"),
    "latin": layer("AVATAR To Type: Ceffé fi 123", f="Inter-Bold"),
    "mixed_digits": layer("قیمت ۱۲۳٬۴۵۶ تومان (12,500 IRR) در 2026/11/21", s=40, lh=60),
    "latin_in_persian": layer("گوشی iPhone 17 Pro رسید!", s=46),
    "zwnj": layer("می‌خواهم خانه‌ها را ببینم\rمیخواهم خانهها", s=52),
    "diacritics": layer("بِسْمِ اللَّهِ الرَّحْمٰنِ\rالرَّحِيمِ مُحَمَّدٌ", s=60, lh=62),
    "mirrored_brackets": layer("(سلام) [دنیا] «نقل» {الف} <ب>", s=44),
    "emoji": layer("تولدت مبارک 🎉❤️👨‍👩‍👧 🇮🇷 ☎", s=48),
    "wrapped": layer("این متن بلند است و باید در چند سطر درون جعبه شکسته شود", s=52),
    "shrunk": layer(
        "این متن خیلی بلندتر از جعبه است و باید کوچک و کوچک‌تر شود "
        "تا همهٔ واژه‌هایش در همین سه سطر جا بگیرند",
        s=64,
        lh=80,
    ),
    "justified": layer(
        "این متن در هر سطر تا دو لبهٔ جعبه کشیده می‌شود و سطر پایانی در راست می‌ماند", j=4, s=40, lh=56
    ),
    "stroke": layer("سلام لالا AB", s=110, lh=120, sc=[1, 0.75, 0], sw=6, of=True),
    "small_caps": layer("Small Caps متن", ca=2, f="Inter-Bold", s=64),
    "missing_font": layer("سلام World", f="NoSuchFont-Bold", s=72, lh=90),
    "animated_persian": animated(
        "سلام دنیای زیبا",
        {
            "s": {**RANGE, "s": {"k": 0}, "e": {"k": 50}},
            "a": {"p": {"k": [0, 40]}, "r": {"k": 12}, "fc": {"k": [0.9, 0.1, 0.2]}},
        },
        s=80,
    ),
    "animated_latin": animated(
        "Hello world",
        {
            "s": {**RANGE, "sh": 2, "s": {"k": 0}},
            "a": {"p": {"k": [0, 60]}, "s": {"k": [60, 60]}, "o": {"k": 30}},
        },
        f="Inter-Bold",
        s=80,
    ),
    "tracking": layer("TRACKING سلام 100", tr=200, f="Inter-Bold", s=44),
}
OVERFLOW = {
    **layer(
        "این متن آن‌قدر بلند است که حتی با کوچک‌ترین اندازه هم در جعبه "
        "جا نمی‌شود و باید با سه‌نقطه بریده شود"
    ),
    "flatrender": {"max_lines": 2, "min_scale": 0.8},
}
CASES["ellipsis"] = OVERFLOW


def text_layer(raw: dict[str, Any], root: dict[str, Any] | None = None) -> TextLayer:
    doc = Document(Limits())
    return TextLayer.parse(
        Obj(raw, doc, Obj({"t": raw, "ty": 5}, doc), ("t",)),
        TextContext(Obj(root or {}, doc), FontBook(), "rtl"),
    )


def picture(raw: dict[str, Any], frame: float = 0.0) -> np.ndarray[Any, Any]:
    pixels = np.zeros((HEIGHT, WIDTH, 4), np.uint8)
    surface = skia.Surface.MakeRasterDirect(
        skia.ImageInfo.Make(WIDTH, HEIGHT, skia.kRGBA_8888_ColorType, skia.kPremul_AlphaType),
        pixels,
    )
    canvas = surface.getCanvas()
    canvas.clear(skia.ColorWHITE)
    box = skia.Paint(Style=skia.Paint.kStroke_Style, Color=0xFFC0C8E0)
    canvas.drawRect(skia.Rect.MakeXYWH(20, 30, 600, 180), box)
    text_layer(raw).draw(canvas, frame)
    return pixels


@pytest.mark.parametrize("name", CASES)
def test_text_looks_as_approved(name: str) -> None:
    shown = picture(CASES[name])
    path = GOLDENS / f"{name}.png"
    if os.environ.get("FLATRENDER_RENEW_GOLDENS"):
        skia.Image.fromarray(shown, skia.kRGBA_8888_ColorType).save(str(path), skia.kPNG)
        pytest.skip("golden written: look at it")
    wanted = skia.Image.open(str(path)).toarray(colorType=skia.kRGBA_8888_ColorType)
    away = np.abs(shown.astype(int) - wanted.astype(int)).max(axis=2)
    # Other processors round edges by a few levels; a moved letter differs by hundreds of pixels.
    assert (away > 32).sum() <= 8, f"{name}: {(away > 32).sum()} pixels differ"
