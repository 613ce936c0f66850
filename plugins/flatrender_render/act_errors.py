"""Refusals of acts on render jobs and of failure rules. Codes are part of the API."""

from flatrender.errors import Conflict, DomainError, Forbidden


class NotPausable(Conflict):
    """The video is being put together; there is nothing left to hold back."""

    code = "not_pausable"
    title_fa = "این رندر دیگر متوقف نمی‌شود"
    title_en = "This render cannot be paused any more"
    detail_fa = "ویدیو در حال سرهم شدن است ({step})."
    detail_en = "The video is being put together ({step})."


class NotPaused(Conflict):
    """There is no pause to end."""

    code = "not_paused"
    title_fa = "این رندر متوقف نیست"
    title_en = "This render is not paused"
    detail_fa = "وضعیت: {step}"
    detail_en = "It is {step}."


class NotFailed(Conflict):
    """Only a failed render is tried again."""

    code = "not_failed"
    title_fa = "این رندر شکست نخورده است"
    title_en = "This render has not failed"
    detail_fa = "وضعیت: {step}"
    detail_en = "It is {step}."


class NotRetryable(Conflict):
    """Another try would fail in the same way."""

    code = "not_retryable"
    title_fa = "تلاش دوباره فایده‌ای ندارد"
    title_en = "Trying again would not help"
    detail_fa = "قالب یا فایل‌ها باید عوض شوند؛ سپس رندر تازه‌ای بفرستید."
    detail_en = "The template or a file has to change; then submit a new render."


class PriorityTooHigh(Forbidden):
    """A customer's priority ends at what the plan gave."""

    code = "priority_too_high"
    title_fa = "این اولویت در طرح شما نیست"
    title_en = "Your plan does not give this priority"
    detail_fa = "حداکثر: {limit}"
    detail_en = "At most {limit}."


class RulePattern(DomainError):
    """A rule's pattern is none, or could take for ever."""

    status = 422
    code = "rule_pattern"
    title_fa = "این الگو پذیرفته نمی‌شود"
    title_en = "The pattern is refused"
    detail_fa = "{why}"
    detail_en = "{why}"


class RuleUnfair(DomainError):
    """The rule would blame a node for a template, or a job for a node."""

    status = 422
    code = "rule_unfair"
    title_fa = "این رفتار با این دسته جور نیست"
    title_en = "The action does not go with the class"
    detail_fa = "خطای قالب یا ورودی گره را نمی‌بندد؛ خطای گره کار را شکست‌خورده نمی‌کند."
    detail_en = "A fault of a template or input blocks no node; a fault of a node fails no job."


class RuleChanged(Conflict):
    """Somebody changed the rule meanwhile."""

    code = "rule_changed"
    title_fa = "این قاعده را دیگری تغییر داده است"
    title_en = "Somebody else changed this rule"
    detail_fa = "نسخه کنونی: {version}"
    detail_en = "It is at version {version} now."
