"""What a failure means: rules kept as data, first match wins.

A rule looks at the stable code of the failure and says whose fault it is, how long to wait and
whether to try again at all; its explanation is for the customer, in both languages.
"""

import re

from msgspec import Struct

from flatrender_render.domain import ErrorClass


class Rule(Struct, frozen=True, kw_only=True):
    """``pattern`` is matched against the failure's code."""

    pattern: str
    error_class: ErrorClass
    fail_now: bool = False
    back_off: float = 2.0
    retryable: bool = True
    fa: str
    en: str


class Verdict(Struct, frozen=True, kw_only=True):
    """What happens to the frame job, and what its owner may read."""

    error_class: str
    code: str
    message: str
    fail_now: bool
    back_off: float
    retryable: bool
    explanation_fa: str
    explanation_en: str


RULES: tuple[Rule, ...] = (
    Rule(
        pattern=r"^(template_broken|engine_unknown|lottie_.*|package_.*)$",
        error_class=ErrorClass.TEMPLATE,
        fail_now=True,
        retryable=False,
        fa="این قالب مشکلی دارد و ساخته نشد. به طراح خبر دادیم؛ هزینه‌ای کم نشد.",
        en="This template has a fault and could not be drawn. Nothing was charged.",
    ),
    Rule(
        pattern=r"^(input_broken|media_unreadable|media_too_large|asset_lost)$",
        error_class=ErrorClass.INPUT,
        fail_now=True,
        retryable=False,
        fa="یکی از فایل‌های شما خوانده نشد. آن را دوباره بارگذاری کنید؛ هزینه‌ای کم نشد.",
        en="One of your files could not be read. Upload it again; nothing was charged.",
    ),
    Rule(
        pattern=r"^(proof_failed|segment_mismatch)$",
        error_class=ErrorClass.TEMPLATE,
        back_off=0.5,
        fa="خروجی این بخش درست از آب درنیامد. هزینه‌ای کم نشد؛ می‌توانید دوباره بفرستید.",
        en="A part of the video did not pass its check. Nothing was charged; you may try again.",
    ),
    Rule(
        pattern=r"^(worker_crashed|worker_hung|node_.*)$",
        error_class=ErrorClass.NODE,
        back_off=1.0,
        fa="دستگاه رندر از کار افتاد. هزینه‌ای کم نشد؛ می‌توانید دوباره بفرستید.",
        en="A render machine stopped working. Nothing was charged; you may try again.",
    ),
    Rule(
        pattern=r"^(disk_full|out_of_memory|encode_failed)$",
        error_class=ErrorClass.RESOURCE,
        back_off=15.0,
        fa="منابع دستگاه رندر کم آمد. هزینه‌ای کم نشد؛ کمی بعد دوباره بفرستید.",
        en="A render machine ran out of room. Nothing was charged; try again a little later.",
    ),
    Rule(
        pattern=r".*",
        error_class=ErrorClass.TRANSIENT,
        back_off=5.0,
        fa="خطایی گذرا پیش آمد. هزینه‌ای کم نشد؛ می‌توانید دوباره بفرستید.",
        en="Something passing went wrong. Nothing was charged; you may try again.",
    ),
)


def classify(code: str, message: str) -> Verdict:
    """Return the verdict of the first rule that matches ``code``."""
    for rule in RULES:
        if re.match(rule.pattern, code):
            return Verdict(
                error_class=str(rule.error_class),
                code=code,
                message=message[:2000],
                fail_now=rule.fail_now,
                back_off=rule.back_off,
                retryable=rule.retryable,
                explanation_fa=rule.fa,
                explanation_en=rule.en,
            )
    raise LookupError("the last rule matches everything")
