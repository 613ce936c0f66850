"""Transactional messages written out. Pure: names and values in, texts out.

A value is inserted as plain text; the mail's HTML part escapes it. A header never holds a line
break.
"""

import html
import re

from msgspec import Struct

from flatrender_notification.words import (
    BEGUN_BY_SUPPORT_EN,
    BEGUN_BY_SUPPORT_FA,
    BY_SUPPORT_EN,
    BY_SUPPORT_FA,
    MESSAGES,
    Words,
)

__all__ = [
    "BEGUN",
    "BY_SUPPORT",
    "MESSAGES",
    "Words",
    "Written",
    "fill",
    "one_line",
    "short",
    "write",
]

#: A message's value that says that support acted in the account.
BY_SUPPORT = "by_support"
#: Its value where support had begun what the message tells of.
BEGUN = "begun"
_BREAKS = re.compile(r"[\r\n\x00-\x1f]+")


class Written(Struct, frozen=True, kw_only=True):
    """A message ready to send."""

    subject: str
    text: str
    html: str


class _Plain(dict[str, str]):
    def __missing__(self, key: str) -> str:
        return ""


def fill(template: str, params: dict[str, str]) -> str:
    """Insert values; an unknown name is empty, and values are never templates themselves."""
    return template.format_map(_Plain({k: str(v) for k, v in params.items()}))


def one_line(text: str) -> str:
    """Return text that may stand in a header."""
    return _BREAKS.sub(" ", text).strip()[:300]


def short(code: str, params: dict[str, str], locale: str) -> str:
    """Return the SMS of a message: title and words, no link. Raises ``KeyError``."""
    words = MESSAGES[code]
    persian = locale == "fa"
    title = one_line(fill(words.title_fa if persian else words.title_en, params))
    body = fill(words.body_fa if persian else words.body_en, params)
    return f"{title}\n{body}\n{_support(params, locale)}".strip()[:600]


def _support(params: dict[str, str], locale: str) -> str:
    """Return the line that says what support did, empty where the owner acted."""
    if not params.get(BY_SUPPORT):
        return ""
    if params[BY_SUPPORT] == BEGUN:
        return BEGUN_BY_SUPPORT_FA if locale == "fa" else BEGUN_BY_SUPPORT_EN
    return BY_SUPPORT_FA if locale == "fa" else BY_SUPPORT_EN


def write(code: str, params: dict[str, str], locale: str, link: str | None = None) -> Written:
    """Return the mail of a message. Raises ``KeyError`` for an unknown code."""
    words = MESSAGES[code]
    persian = locale == "fa"
    title = one_line(fill(words.title_fa if persian else words.title_en, params))
    body = fill(words.body_fa if persian else words.body_en, params)
    label = "باز کردن" if persian else "Open"
    direction = "rtl" if persian else "ltr"
    parts = [f"<h2>{html.escape(title)}</h2>", f"<p>{html.escape(body)}</p>"]
    text = f"{title}\n\n{body}\n"
    support = _support(params, locale)
    if support:
        parts.append(f"<p><small>{html.escape(support)}</small></p>")
        text += f"\n{support}\n"
    if link:
        parts.append(f'<p><a href="{html.escape(link, quote=True)}">{label}</a></p>')
        text += f"\n{link}\n"
    page = (
        f'<!doctype html><html lang="{locale}" dir="{direction}"><body '
        'style="font-family:Vazirmatn,Tahoma,sans-serif;line-height:1.8">'
        f"{''.join(parts)}</body></html>"
    )
    return Written(subject=title, text=text, html=page)
