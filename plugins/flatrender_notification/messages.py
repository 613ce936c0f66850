"""The words of transactional messages, Persian first. Pure: names and values in, texts out.

A value is inserted as plain text; the mail's HTML part escapes it. A header never holds a line
break.
"""

import html
import re

from msgspec import Struct

_BREAKS = re.compile(r"[\r\n\x00-\x1f]+")


class Words(Struct, frozen=True, kw_only=True):
    """One message in both languages; ``{name}`` marks a value."""

    title_fa: str
    title_en: str
    body_fa: str = ""
    body_en: str = ""


class Written(Struct, frozen=True, kw_only=True):
    """A message ready to send."""

    subject: str
    text: str
    html: str


MESSAGES: dict[str, Words] = {
    "render_completed": Words(
        title_fa="ویدیوی «{project}» آماده است",
        title_en="Your video “{project}” is ready",
        body_fa="خروجی {resolution} به مدت {seconds} ثانیه آمادهٔ دانلود است.",
        body_en="The {resolution} export of {seconds} seconds is ready to download.",
    ),
    "render_failed": Words(
        title_fa="ساخت «{project}» ناتمام ماند",
        title_en="“{project}” could not be rendered",
        body_fa="{reason_fa}",
        body_en="{reason_en}",
    ),
    "export_expiring": Words(
        title_fa="«{project}» تا {days} روز دیگر پاک می‌شود",
        title_en="“{project}” will be deleted in {days} day(s)",
        body_fa="خروجی {format} را پیش از آن دانلود کنید.",
        body_en="Download the {format} export before then.",
    ),
    "export_deleted": Words(
        title_fa="زمان نگه‌داری «{project}» به پایان رسید",
        title_en="“{project}” is no longer kept",
        body_fa="خروجی {format} پاک شد؛ می‌توانید آن را دوباره بسازید.",
        body_en="The {format} export was deleted; you can render it again.",
    ),
    "plan_activated": Words(
        title_fa="طرح {plan} فعال شد",
        title_en="Your {plan} plan is active",
    ),
    "plan_expired": Words(
        title_fa="طرح {plan} به پایان رسید",
        title_en="Your {plan} plan has ended",
    ),
    "mfa_enabled": Words(
        title_fa="ورود دومرحله‌ای فعال شد",
        title_en="Two-factor sign-in is on",
        body_fa="اگر کار شما نبود، همین حالا گذرواژه‌تان را عوض کنید.",
        body_en="If this was not you, change your password now.",
    ),
    "mfa_disabled": Words(
        title_fa="ورود دومرحله‌ای خاموش شد",
        title_en="Two-factor sign-in is off",
        body_fa="از همه‌ی دستگاه‌ها خارج شدید. اگر کار شما نبود، همین حالا گذرواژه‌تان را عوض کنید.",
        body_en="You were signed out everywhere. If this was not you, change your password now.",
    ),
    "recovery_codes_renewed": Words(
        title_fa="کدهای بازیابی تازه ساخته شد",
        title_en="New recovery codes were made",
        body_fa="کدهای پیشین دیگر کار نمی‌کنند. اگر کار شما نبود، گذرواژه‌تان را عوض کنید.",
        body_en="The old ones no longer work. If this was not you, change your password now.",
    ),
}


class _Plain(dict[str, str]):
    def __missing__(self, key: str) -> str:
        return ""


def fill(template: str, params: dict[str, str]) -> str:
    """Insert values; an unknown name is empty, and values are never templates themselves."""
    return template.format_map(_Plain({k: str(v) for k, v in params.items()}))


def one_line(text: str) -> str:
    """Return text that may stand in a header."""
    return _BREAKS.sub(" ", text).strip()[:300]


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
    if link:
        parts.append(f'<p><a href="{html.escape(link, quote=True)}">{label}</a></p>')
        text += f"\n{link}\n"
    page = (
        f'<!doctype html><html lang="{locale}" dir="{direction}"><body '
        'style="font-family:Vazirmatn,Tahoma,sans-serif;line-height:1.8">'
        f"{''.join(parts)}</body></html>"
    )
    return Written(subject=title, text=text, html=page)
