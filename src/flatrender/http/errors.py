"""Refusals of the HTTP layer itself, in both languages. Contexts have their own ``errors.py``."""

from flatrender.errors import DomainError, Invalid


class BadRequest(DomainError):
    """The request breaks HTTP or this API's protocol."""


class MalformedJson(DomainError):
    """The body is not JSON (RFC 8259)."""

    status = 400
    code = "malformed_json"
    title_fa = "بدنهٔ درخواست JSON درستی نیست"
    title_en = "The body is not valid JSON"


class PaymentRequired(DomainError):
    """Not enough balance or render charge."""

    status = 402
    code = "payment_required"
    title_fa = "موجودی کافی نیست"
    title_en = "Not enough balance"


class UnknownParameter(DomainError):
    """The query holds parameters that the route does not take."""

    status = 400
    code = "unknown_parameter"
    title_fa = "پارامتر ناشناخته است"
    title_en = "Unknown query parameter"


class MethodNotAllowed(DomainError):
    """The path exists and does not take this method."""

    status = 405
    code = "method_not_allowed"
    title_fa = "این نشانی چنین متدی ندارد"
    title_en = "Method not allowed"


class NotAcceptable(DomainError):
    """Nothing that the caller accepts can be made."""

    status = 406
    code = "not_acceptable"
    title_fa = "قالب درخواستی در دسترس نیست"
    title_en = "Not acceptable"


class BodyTooLarge(DomainError):
    """The body is over its limit."""

    status = 413
    code = "body_too_large"
    title_fa = "حجم درخواست بیش از حد مجاز است"
    title_en = "The request body is too large"


class UnsupportedMediaType(DomainError):
    """The body is of a type that this route does not read."""

    status = 415
    code = "unsupported_media_type"
    title_fa = "نوع محتوای درخواست پشتیبانی نمی‌شود"
    title_en = "Unsupported media type"
    detail_fa = "نوع {expected} پذیرفته می‌شود."
    detail_en = "Send {expected}."


class JsonTooDeep(Invalid):
    """Arrays and objects are nested deeper than anything meaningful."""

    code = "json_too_deep"
    title_fa = "ساختار JSON بیش از حد تودرتو است"
    title_en = "The JSON is nested too deeply"
    detail_fa = "حداکثر {limit} لایه پذیرفته می‌شود."
    detail_en = "At most {limit} levels are accepted."


class PreconditionRequired(DomainError):
    """A change without If-Match (RFC 6585 section 3)."""

    status = 428
    code = "precondition_required"
    title_fa = "سرآیند If-Match لازم است"
    title_en = "If-Match is required"
    detail_fa = "نسخه‌ای را که خوانده‌اید با If-Match بفرستید."
    detail_en = "Send the version that you read in If-Match."


class TooManyRequests(DomainError):
    """A limit is reached; Retry-After tells when to come back."""

    status = 429
    code = "too_many_requests"
    title_fa = "تعداد درخواست‌ها بیش از حد مجاز است"
    title_en = "Too many requests"


class InternalError(DomainError):
    """Something broke on our side. The answer says nothing but the request id."""

    status = 500
    code = "internal_error"
    title_fa = "خطای داخلی رخ داد"
    title_en = "Internal error"


#: Titles for statuses that have no class of their own.
BY_STATUS: dict[int, type[DomainError]] = {
    error.status: error
    for error in (
        BadRequest,
        PaymentRequired,
        MethodNotAllowed,
        NotAcceptable,
        BodyTooLarge,
        UnsupportedMediaType,
        PreconditionRequired,
        TooManyRequests,
        InternalError,
    )
}
