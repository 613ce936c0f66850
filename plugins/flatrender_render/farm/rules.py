"""The built-in failure rules: what each known failure means, in data.

The same set is in migration 15 (a test compares the two); administrators change it there, by new
versions. Owns no decision: ``failures`` matches, ``reports`` acts.
"""

import re
from re import _parser  # type: ignore[attr-defined]  # the standard library's own, without stubs
from typing import Any, Literal

from msgspec import Struct

from flatrender_render.domain import ErrorClass

Action = Literal["elsewhere", "back_off", "blocklist", "quarantine", "fail_now"]


class Rule(Struct, frozen=True, kw_only=True):
    """One rule. All that is given must match; the first match by ``priority``, then ``code``, wins.

    ``error_codes`` are codes of failures (``lottie_*`` matches by its beginning), ``pattern`` is
    searched in every line of the message, ``exit_codes`` are of the engine's process. Waits in
    seconds.
    """

    code: str
    error_class: ErrorClass
    action: Action
    explanation_fa: str
    explanation_en: str
    version: int = 1
    priority: int = 100
    engine: str | None = None
    stage: str | None = None
    exit_codes: tuple[int, ...] = ()
    pattern: str | None = None
    error_codes: tuple[str, ...] = ()
    back_off: float = 2.0
    retryable: bool = True


_T, _I, _N = ErrorClass.TEMPLATE, ErrorClass.INPUT, ErrorClass.NODE
_R, _L, _P = ErrorClass.RESOURCE, ErrorClass.LICENCE, ErrorClass.TRANSIENT

_NODE_FA = (
    "دستگاه رندر از کار افتاد و کار به دستگاه دیگری می‌رود. هزینه‌ای کم نشد؛ می‌توانید دوباره بفرستید."
)
_NODE_EN = (
    "A render machine stopped working; another one takes over. Nothing was charged; you may try "
    "again."
)
_TEMPLATE_FA = "این قالب مشکلی دارد و ساخته نشد. به طراح خبر دادیم؛ هزینه‌ای کم نشد."
_TEMPLATE_EN = "This template has a fault and could not be drawn. Nothing was charged."
_PASSING_FA = "خطایی گذرا پیش آمد. هزینه‌ای کم نشد؛ می‌توانید دوباره بفرستید."
_PASSING_EN = "Something passing went wrong. Nothing was charged; you may try again."

BUILTIN: tuple[Rule, ...] = (
    Rule(
        code="template_fault", priority=10, error_class=_T, action="fail_now", back_off=0.0,
        retryable=False,
        error_codes=("template_broken", "template_invalid", "template_unsupported",
                     "engine_unknown", "lottie_*", "package_*", "binding_failed"),
        explanation_fa=_TEMPLATE_FA, explanation_en=_TEMPLATE_EN,
    ),
    Rule(
        code="input_fault", priority=10, error_class=_I, action="fail_now", back_off=0.0,
        retryable=False,
        error_codes=("input_*", "media_unreadable", "media_too_large", "asset_lost"),
        explanation_fa="یکی از فایل‌های شما خوانده نشد. آن را دوباره بارگذاری کنید؛ "
        "هزینه‌ای کم نشد.",
        explanation_en="One of your files could not be read. Upload it again; nothing was charged.",
    ),
    Rule(
        code="job_too_old", version=1, priority=10, error_class=_P, action="fail_now", back_off=0.0,
        error_codes=("job_too_old",),
        explanation_fa="این رندر در زمان مجاز تمام نشد. هزینه‌ای کم نشد؛ می‌توانید دوباره بفرستید.",
        explanation_en="The render was not finished in its time. Nothing was charged; you may try "
        "again.",
    ),
    Rule(
        code="ae_refuses_instance", priority=20, error_class=_N, action="elsewhere", back_off=10.0,
        engine="aerender",
        pattern=r"(?i)already running|another instance|multiple instances|more than one instance",
        explanation_fa=_NODE_FA, explanation_en=_NODE_EN,
    ),
    Rule(
        code="ae_licence", priority=20, error_class=_L, action="quarantine", back_off=30.0,
        engine="aerender",
        pattern=r"(?i)licen[cs]e|licensing|sign in to|subscription|trial has|activat(e|ion)",
        explanation_fa="مجوز افترافکتس روی یک دستگاه کار نکرد؛ کار به دستگاه دیگری "
        "می‌رود. هزینه‌ای کم نشد.",
        explanation_en="The After Effects licence of a machine did not work; another "
        "one takes over. "
        "Nothing was charged.",
    ),
    Rule(
        code="ae_missing_fonts", priority=30, error_class=_N, action="elsewhere", back_off=5.0,
        engine="aerender", pattern=r"(?i)missing fonts?|font .{0,120}(is missing|not found)",
        explanation_fa="فونت این قالب روی دستگاه رندر نبود؛ منتظر دستگاهی با این فونت "
        "می‌مانیم. هزینه‌ای کم نشد.",
        explanation_en="The machine lacks a font of the template; the render waits "
        "for one that has "
        "it. Nothing was charged.",
    ),
    Rule(
        code="ae_missing_footage", priority=30, error_class=_T, action="fail_now", back_off=0.0,
        engine="aerender", retryable=False,
        pattern=r"(?i)file not found|missing footage|footage .{0,120}(is missing|not found)"
        r"|files? (is|are) missing",
        explanation_fa="یکی از فایل‌های خود قالب نیست. به طراح خبر دادیم؛ هزینه‌ای کم نشد.",
        explanation_en="A file of the template itself is missing. Nothing was charged.",
    ),
    Rule(
        code="ae_no_comp", priority=30, error_class=_T, action="fail_now", back_off=0.0,
        engine="aerender", retryable=False, pattern=r"(?i)no comp was found",
        explanation_fa=_TEMPLATE_FA, explanation_en=_TEMPLATE_EN,
    ),
    Rule(
        code="ae_output_module", priority=30, error_class=_N, action="elsewhere", back_off=5.0,
        engine="aerender",
        pattern=r"(?i)no output module template|output module .{0,120}not (be )?found",
        explanation_fa=_NODE_FA, explanation_en=_NODE_EN,
    ),
    Rule(
        code="ae_old_version", priority=30, error_class=_N, action="elsewhere", back_off=5.0,
        engine="aerender",
        pattern=r"(?i)created (by|with|in) a (newer|later) version|newer version of After Effects",
        explanation_fa=_NODE_FA, explanation_en=_NODE_EN,
    ),
    Rule(
        code="ae_missing_effect", priority=30, error_class=_N, action="elsewhere", back_off=5.0,
        engine="aerender",
        pattern=r"(?i)missing effects?|effect .{0,120}(is missing|not found)"
        r"|plug-?in .{0,120}missing",
        explanation_fa=_NODE_FA, explanation_en=_NODE_EN,
    ),
    Rule(
        code="ae_text_layer", priority=35, error_class=_T, action="back_off", back_off=1.0,
        engine="aerender", pattern=r"(?i)error reading the text layer",
        explanation_fa=_TEMPLATE_FA, explanation_en=_TEMPLATE_EN,
    ),
    Rule(
        code="ae_expression", priority=35, error_class=_T, action="back_off", back_off=1.0,
        engine="aerender", pattern=r"(?i)expression (error|disabled)",
        explanation_fa=_TEMPLATE_FA, explanation_en=_TEMPLATE_EN,
    ),
    Rule(
        code="out_of_memory", version=2, priority=40, error_class=_R, action="elsewhere",
        back_off=15.0, error_codes=("out_of_memory",),
        explanation_fa="حافظه یک دستگاه رندر پر شد؛ دستگاه دیگری دوباره تلاش می‌کند. "
        "هزینه‌ای کم نشد.",
        explanation_en="A render machine ran out of memory; another one tries again. Nothing was "
        "charged.",
    ),
    Rule(
        code="memory_line", priority=40, error_class=_R, action="elsewhere", back_off=15.0,
        pattern=r"(?i)out of memory|not enough memory|unable to allocate|insufficient memory"
        r"|cannot allocate|memory allocation",
        explanation_fa="حافظه یک دستگاه رندر پر شد؛ دستگاه دیگری دوباره تلاش می‌کند. "
        "هزینه‌ای کم نشد.",
        explanation_en="A render machine ran out of memory; another one tries again. Nothing was "
        "charged.",
    ),
    Rule(
        code="disk_full", priority=40, error_class=_R, action="elsewhere", back_off=15.0,
        error_codes=("disk_full", "encode_failed"),
        explanation_fa="دیسک یک دستگاه رندر پر شد؛ دستگاه دیگری دوباره تلاش می‌کند. "
        "هزینه‌ای کم نشد.",
        explanation_en="A render machine ran out of room; another one tries again. Nothing was "
        "charged.",
    ),
    Rule(
        code="disk_line", priority=40, error_class=_R, action="elsewhere", back_off=15.0,
        pattern=r"(?i)disk (is )?full|no space left|not enough (disk )?space",
        explanation_fa="دیسک یک دستگاه رندر پر شد؛ دستگاه دیگری دوباره تلاش می‌کند. "
        "هزینه‌ای کم نشد.",
        explanation_en="A render machine ran out of room; another one tries again. Nothing was "
        "charged.",
    ),
    Rule(
        code="proof_failed", version=2, priority=50, error_class=_T, action="back_off",
        back_off=0.5, error_codes=("proof_failed", "segment_mismatch"),
        explanation_fa="خروجی این بخش درست از آب درنیامد. هزینه‌ای کم نشد؛ می‌توانید "
        "دوباره بفرستید.",
        explanation_en="A part of the video did not pass its check. Nothing was charged; you may "
        "try again.",
    ),
    Rule(
        code="watchdog", priority=60, error_class=_N, action="elsewhere", back_off=2.0,
        error_codes=("worker_hung", "timeout", "*_timeout", "watchdog_*"),
        explanation_fa="یک دستگاه پاسخ نداد؛ دستگاه دیگری دوباره تلاش می‌کند. هزینه‌ای کم نشد.",
        explanation_en="A machine stopped answering; another one tries again. Nothing was charged.",
    ),
    Rule(
        code="process_died", version=2, priority=60, error_class=_N, action="elsewhere",
        back_off=1.0,
        error_codes=("worker_crashed", "process_died", "lease_lost", "lease_expired", "node_*"),
        explanation_fa=_NODE_FA, explanation_en=_NODE_EN,
    ),
    Rule(
        code="ae_script", priority=70, error_class=_T, action="back_off", back_off=2.0,
        engine="aerender", exit_codes=(5,),
        explanation_fa=_TEMPLATE_FA, explanation_en=_TEMPLATE_EN,
    ),
    Rule(
        code="ae_usage", priority=70, error_class=_N, action="elsewhere", back_off=5.0,
        engine="aerender", exit_codes=(2, 3),
        explanation_fa=_NODE_FA, explanation_en=_NODE_EN,
    ),
    Rule(
        code="ae_socket", priority=70, error_class=_P, action="back_off", back_off=5.0,
        engine="aerender", exit_codes=(11,),
        explanation_fa=_PASSING_FA, explanation_en=_PASSING_EN,
    ),
    Rule(
        code="ae_runtime", priority=70, error_class=_N, action="elsewhere", back_off=5.0,
        engine="aerender", exit_codes=(7, 9),
        explanation_fa=_NODE_FA, explanation_en=_NODE_EN,
    ),
    Rule(
        code="ae_application", priority=75, error_class=_N, action="elsewhere", back_off=5.0,
        engine="aerender", exit_codes=(1,),
        explanation_fa=_NODE_FA, explanation_en=_NODE_EN,
    ),
    Rule(
        code="ae_error_line", priority=80, error_class=_N, action="elsewhere", back_off=5.0,
        engine="aerender",
        pattern=r"aerender ERROR|After Effects error|Unable to Render"
        r"|Runtime error in After Effects",
        explanation_fa=_NODE_FA, explanation_en=_NODE_EN,
    ),
    Rule(
        code="storage_unavailable", version=2, priority=90, error_class=_P, action="back_off",
        back_off=5.0,
        error_codes=("store_unavailable", "storage_unavailable", "database_unavailable",
                     "network*"),
        explanation_fa="ذخیره‌سازی موقتا در دسترس نبود. هزینه‌ای کم نشد؛ می‌توانید دوباره بفرستید.",
        explanation_en="Storage was not reachable for a moment. Nothing was charged; you may try "
        "again.",
    ),
    Rule(
        code="unknown", version=2, priority=1000, error_class=_P, action="back_off", back_off=5.0,
        explanation_fa=_PASSING_FA, explanation_en=_PASSING_EN,
    ),
)  # fmt: skip

MAX_PATTERN = 300
#: Only so much of a line, and of a whole message, is looked at.
MAX_LINE = 2000
MAX_TEXT = 8000
#: Ways in which a pattern may be tried from one position; more is refused.
MAX_WAYS = 2500


class DangerousPattern(ValueError):
    """A pattern that could take for ever on some line, or is none."""


def check_pattern(pattern: str) -> re.Pattern[str]:
    """Compile a rule's pattern. Raises :class:`DangerousPattern`.

    Python's matcher goes back and tries again; how often, from one position, is at most the
    product of what every repeat and every choice allows. That product is bounded, and what may
    repeat has no choice within (nested repeats are where matching takes for ever). What repeats
    also takes at least a character of the line each time, and looks at no other: the line's end
    bounds it.
    """
    if len(pattern) > MAX_PATTERN:
        raise DangerousPattern(f"longer than {MAX_PATTERN} characters")
    try:
        compiled = re.compile(pattern)
        parsed = _parser.parse(pattern)
    except (re.error, RecursionError, OverflowError) as error:
        raise DangerousPattern(str(error)) from None
    if compiled.match(""):
        raise DangerousPattern("matches the empty line")
    if (ways := _ways(parsed)) > MAX_WAYS:
        raise DangerousPattern(f"can be tried in {ways} ways from every position of a line")
    return compiled


def _ways(parsed: Any) -> int:
    """Return an upper bound of the ways to match a parsed (sub)pattern at one position."""
    ways = 1
    for operation, argument in parsed:
        name = str(operation)
        if name in ("MAX_REPEAT", "MIN_REPEAT", "POSSESSIVE_REPEAT"):
            low, high, body = argument
            within = _ways(body)
            if high > 1 and within > 1:
                raise DangerousPattern("a repeat or a choice within a repeat")
            if high > 1 and (body.getwidth()[0] == 0 or _looks_around(body)):
                raise DangerousPattern("a repeat of what takes no character of the line")
            ways *= (min(int(high), MAX_LINE) - min(int(low), MAX_LINE) + 1) * within
        elif name in ("GROUPREF", "GROUPREF_EXISTS"):
            raise DangerousPattern("refers back to a group")
        elif name == "BRANCH":
            ways *= sum(_ways(branch) for branch in argument[1])
        elif name == "SUBPATTERN":
            ways *= _ways(argument[-1])
        elif name in ("ASSERT", "ASSERT_NOT"):
            ways *= _ways(argument[1])
        elif name == "ATOMIC_GROUP":
            ways *= _ways(argument)
    return ways


def _looks_around(parsed: Any) -> bool:
    """Return whether a parsed pattern looks ahead or behind anywhere within."""
    for operation, argument in parsed:
        if str(operation) in ("ASSERT", "ASSERT_NOT"):
            return True
        parts = argument if isinstance(argument, (tuple, list)) else (argument,)
        if any(hasattr(part, "getwidth") and _looks_around(part) for part in parts):
            return True
    return False
