"""Refusals of the security layer, in both languages. Codes are part of the API.

Texts never tell which half of a credential was wrong.
"""

from flatrender.errors import DomainError, Forbidden, Unauthorized


class CredentialRequired(Unauthorized):
    """The operation needs a signed-in caller and the request names none."""

    detail_fa = "برای این کار وارد حساب خود شوید."
    detail_en = "Sign in, or send a credential that this operation accepts."

    def __init__(self) -> None:
        super().__init__(headers={"WWW-Authenticate": "Bearer"})


class InvalidToken(Unauthorized):
    """A bearer token that does not hold: form, signature, key, issuer, audience, type."""

    code = "invalid_token"
    title_fa = "توکن معتبر نیست"
    title_en = "The token is not valid"

    def __init__(self, reason: str = "") -> None:
        super().__init__(headers={"WWW-Authenticate": 'Bearer error="invalid_token"'})
        self.reason = reason  # for logs and tests; never answered


class TokenExpired(InvalidToken):
    """The token was good and its time is over: refresh it."""

    code = "token_expired"
    title_fa = "مهلت توکن تمام شده است"
    title_en = "The token has expired"


class SessionEnded(InvalidToken):
    """The token's session was ended: logout, ban, a changed password or role."""

    code = "session_ended"
    title_fa = "نشست شما پایان یافته است"
    title_en = "The session has ended"


class AmbiguousCredentials(Unauthorized):
    """The request carries more than one credential."""

    code = "ambiguous_credentials"
    title_fa = "بیش از یک اعتبارنامه فرستاده شده است"
    title_en = "Send one credential, not several"


class UnknownTenantKey(Unauthorized):
    """The publishable key belongs to no active tenant."""

    code = "unknown_tenant_key"
    title_fa = "کلید مستأجر شناخته نشد"
    title_en = "The tenant key is not known"


class InvalidSignature(Unauthorized):
    """A request signature that does not hold."""

    code = "invalid_signature"
    title_fa = "امضای درخواست معتبر نیست"
    title_en = "The request signature is not valid"


class SignatureExpired(InvalidSignature):
    """The timestamp is outside the window; the answer's Date header tells our time."""

    code = "signature_expired"
    title_fa = "زمان امضا خارج از بازهٔ مجاز است"
    title_en = "The signature's timestamp is outside the allowed window"


class SignatureReplayed(InvalidSignature):
    """This very signature was used before."""

    code = "signature_replayed"
    title_fa = "این امضا پیش‌تر به کار رفته است"
    title_en = "The signature was used before"


class WrongCredential(Forbidden):
    """The caller is known, and this operation wants another kind of credential."""

    code = "wrong_credential"
    title_fa = "این کار اعتبارنامهٔ دیگری می‌خواهد"
    title_en = "This operation needs another kind of credential"


class MfaRequired(Forbidden):
    """Staff act only with a second factor in this session."""

    code = "mfa_required"
    title_fa = "ورود دومرحله‌ای لازم است"
    title_en = "A second factor is required"
    detail_fa = "نقش شما تنها با عامل دوم در همین نشست اجازهٔ کار دارد."
    detail_en = "Your role may act only with a second factor in this session."


class PermissionRequired(Forbidden):
    """The tenant's moderators may not do this; ``permission`` names what is missing."""

    code = "permission_required"
    title_fa = "نقش شما این اجازه را ندارد"
    title_en = "Your role does not hold this permission"
    detail_fa = "اجازهٔ {permission} لازم است."
    detail_en = "The permission {permission} is needed."

    def __init__(self, permission: str) -> None:
        super().__init__(permission=permission, extra={"permission": permission})


class StepUpRequired(Forbidden):
    """A sensitive act needs a fresh second factor; ``methods`` names what can give one."""

    code = "step_up_required"
    title_fa = "تأیید دوبارهٔ هویت لازم است"
    title_en = "Confirm it is you"
    detail_fa = "برای این کار عامل دوم را دوباره تأیید کنید."
    detail_en = "Confirm a second factor again to do this."

    def __init__(self, methods: list[str], max_age_seconds: int) -> None:
        super().__init__(extra={"methods": methods, "max_age_seconds": max_age_seconds})


class OwnerRequired(Forbidden):
    """Support acts in this account, and this is for its owner alone."""

    code = "owner_required"
    title_fa = "این کار تنها با خود صاحب حساب است"
    title_en = "Only the account's owner may do this"
    detail_fa = "پشتیبانی در حساب مشتری گذرواژه، نشانی، عامل دوم، پرداخت و کلید را عوض نمی‌کند."
    detail_en = "Support changes no password, address, factor, payment or key of a customer's."


class ScopeRequired(Forbidden):
    """The API key lacks a scope."""

    code = "scope_required"
    title_fa = "کلید شما این دسترسی را ندارد"
    title_en = "The key lacks a scope"
    detail_fa = "دسترسی {scope} لازم است."
    detail_en = "The scope {scope} is needed."


class ForeignOrigin(Forbidden):
    """A cookie call from a page that is not ours, or in a form's encoding."""

    code = "foreign_origin"
    title_fa = "این درخواست از صفحهٔ دیگری آمده است"
    title_en = "The request comes from another origin"


class CsrfTokenInvalid(Forbidden):
    """A call by cookie that changes something and does not name its session's CSRF token."""

    code = "csrf_token_invalid"
    title_fa = "توکن CSRF همراه درخواست نیست یا درست نیست"
    title_en = "The CSRF token is missing or not right"
    detail_fa = "توکن را از /v1/auth/csrf بگیرید و در سرآیند X-CSRF-Token بفرستید."
    detail_en = "Get the token from /v1/auth/csrf and send it in the X-CSRF-Token header."


class RateLimited(DomainError):
    """A limit is reached; Retry-After tells when the next call would pass (seconds, rounded up)."""

    status = 429
    code = "rate_limited"
    title_fa = "تعداد درخواست‌ها بیش از حد مجاز است"
    title_en = "Too many requests"
    detail_fa = "{retry_after} ثانیهٔ دیگر دوباره تلاش کنید."
    detail_en = "Try again in {retry_after} seconds."

    def __init__(self, policy: str, retry_after: float) -> None:
        seconds = max(1, int(-(-retry_after // 1)))
        super().__init__(headers={"Retry-After": str(seconds)}, retry_after=seconds)
        self.policy = policy
        self.retry_after = seconds
