"""Identity's refusals. Codes are part of the API."""

from flatrender.errors import Conflict, DomainError, Forbidden, Unauthorized


class InvalidCredentials(Unauthorized):
    """Login refused: the same for unknown, banned, deleted and wrong."""

    code = "invalid_credentials"
    title_fa = "نشانی یا گذرواژه درست نیست"
    title_en = "The address or the password is not right"


class InvalidRefreshToken(Unauthorized):
    """The refresh token is unknown, too old or of a session that ended."""

    code = "invalid_refresh_token"
    title_fa = "نشست معتبر نیست؛ دوباره وارد شوید"
    title_en = "The session is no longer valid; sign in again"


class InvalidMfaToken(Unauthorized):
    """The sign-in that this second factor belongs to is unknown or over."""

    code = "invalid_mfa_token"
    title_fa = "ورود نیمه‌کاره معتبر نیست"
    title_en = "This sign-in is no longer valid"


class InvalidMfaCode(Unauthorized):
    """The code is wrong, used before or too old."""

    code = "invalid_mfa_code"
    title_fa = "کد درست نیست"
    title_en = "The code is not right"


class MfaLocked(DomainError):
    """Too many wrong codes; Retry-After says how long."""

    status = 429
    code = "mfa_locked"
    title_fa = "تلاش ناموفق زیاد بود؛ کمی صبر کنید"
    title_en = "Too many wrong codes; wait a little"


class FactorExists(Conflict):
    """A TOTP factor is already confirmed."""

    code = "factor_exists"
    title_fa = "ورود دومرحله‌ای از پیش فعال است"
    title_en = "Two-factor sign-in is already on"


class PasswordRefused(DomainError):
    """The password is too short, too long, too common or the address itself."""

    status = 422
    code = "password_refused"
    title_fa = "این گذرواژه پذیرفته نیست"
    title_en = "This password is not accepted"


class QualityLocked(Forbidden):
    """The plan does not include this resolution."""

    code = "quality_locked"
    title_fa = "این کیفیت در طرح شما نیست"
    title_en = "Your plan does not include this quality"
    detail_fa = "طرح شما تا {max_resolution} را می‌دهد؛ {resolution} خواسته شد."
    detail_en = "Your plan gives up to {max_resolution}; {resolution} was asked for."


class DailyLimitReached(DomainError):
    """The day's renders are used up; Retry-After points at the tenant's midnight."""

    status = 429
    code = "daily_limit_reached"
    title_fa = "سهم رندر امروز تمام شد"
    title_en = "Today's renders are used up"
    detail_fa = "امروز {used} از {limit} رندر انجام شد."
    detail_en = "{used} of {limit} renders were used today."


class NotEnoughCharge(DomainError):
    """The render charge does not cover this render."""

    status = 402
    code = "not_enough_charge"
    title_fa = "اعتبار رندر کافی نیست"
    title_en = "Not enough render charge"
    detail_fa = "{needed} لازم است و {balance} مانده است."
    detail_en = "{needed} is needed and {balance} is left."


class VideoTooLong(DomainError):
    """The plan does not include videos of this length."""

    status = 403
    code = "duration_locked"
    title_fa = "این مدت در طرح شما نیست"
    title_en = "Your plan does not include videos this long"
    detail_fa = "طرح شما تا {limit} ثانیه را می‌دهد."
    detail_en = "Your plan gives up to {limit} seconds."


class UnknownPlan(DomainError):
    """No plan has this code."""

    status = 404
    code = "unknown_plan"
    title_fa = "چنین طرحی نیست"
    title_en = "There is no such plan"


class UnknownUser(DomainError):
    """No user has this address."""

    status = 404
    code = "unknown_user"
    title_fa = "چنین کاربری نیست"
    title_en = "There is no such user"


class AddressTaken(Conflict):
    """The command line may be told what the API never tells: the address has an account."""

    code = "address_taken"
    title_fa = "این نشانی حساب دارد"
    title_en = "This address has an account"


class InvalidCode(Unauthorized):
    """A one-time code is wrong, used before, too old, or was tried too often."""

    code = "invalid_code"
    title_fa = "کد درست نیست یا زمانش گذشته است"
    title_en = "The code is not right or no longer valid"


class InvalidLink(Unauthorized):
    """A one-time link was used before, is too old or was never ours."""

    code = "invalid_link"
    title_fa = "این پیوند دیگر معتبر نیست"
    title_en = "This link is no longer valid"


class ProofRequired(Forbidden):
    """The act wants the present password, or a sign-in of the last minutes where there is none."""

    code = "proof_required"
    title_fa = "برای این کار گذرواژهٔ کنونی لازم است"
    title_en = "This needs the present password"
    detail_fa = "حساب بدون گذرواژه: دوباره وارد شوید و در چند دقیقه این کار را انجام دهید."
    detail_en = "An account without a password: sign in anew and do this within minutes."


class AddressNotAllowed(DomainError):
    """The tenant takes addresses of other domains only."""

    status = 422
    code = "address_not_allowed"
    title_fa = "نشانی از این دامنه پذیرفته نیست"
    title_en = "Addresses of this domain are not accepted"


class AccountExists(Conflict):
    """The invited address has an account: its owner signs in and accepts there."""

    code = "account_exists"
    title_fa = "این نشانی حساب دارد؛ وارد شوید و همان‌جا بپذیرید"
    title_en = "This address has an account: sign in and accept there"


class AlreadyMember(Conflict):
    """The invited person has this role already, or an invitation is open."""

    code = "already_member"
    title_fa = "این شخص همین نقش را دارد یا دعوت‌نامه‌اش باز است"
    title_en = "This person has the role already, or an open invitation"


class LastAdmin(Conflict):
    """The tenant would be left without an administrator."""

    code = "last_admin"
    title_fa = "مجموعه بی‌مدیر می‌ماند"
    title_en = "The tenant would have no administrator"


class NotOneself(Forbidden):
    """Nobody uses their powers on themselves."""

    code = "not_oneself"
    title_fa = "این کار را با حساب خودتان نمی‌توانید بکنید"
    title_en = "You cannot do this to your own account"


class OutOfReach(Forbidden):
    """The person's role is not below the caller's, or the role to give is above it."""

    code = "out_of_reach"
    title_fa = "نقش شما به این شخص یا این نقش نمی‌رسد"
    title_en = "Your role does not reach this person or this role"


class NotBanned(Conflict):
    """There is no ban to lift."""

    code = "not_banned"
    title_fa = "این حساب مسدود نیست"
    title_en = "This account is not banned"


class AccountNotActive(Conflict):
    """The account is banned or shut: nobody can sign in to it, whatever its password."""

    code = "account_not_active"
    title_fa = "این حساب فعال نیست"
    title_en = "This account is not active"


class NoAddress(Conflict):
    """The account has no e-mail and no proven mobile to send a link to."""

    code = "no_address"
    title_fa = "این حساب نشانی‌ای برای فرستادن پیوند ندارد"
    title_en = "This account has no address to send a link to"


class RoleFixed(Conflict):
    """Administrators hold every permission and customers none: only moderators' can change."""

    code = "role_fixed"
    title_fa = "اجازه‌های این نقش تغییر نمی‌کند"
    title_en = "What this role may do does not change"


class NextKeyTooYoung(Conflict):
    """The next signing key was published moments ago; Retry-After says when it may sign."""

    code = "next_key_too_young"
    title_fa = "کلید بعدی تازه منتشر شده است"
    title_en = "The next key was published moments ago"
    detail_fa = "{retry_after} ثانیهٔ دیگر همه آن را می‌شناسند."
    detail_en = "Everybody knows it in {retry_after} seconds."


class OauthStateInvalid(DomainError):
    """The sign-in is unknown, over, of another browser or of another provider."""

    code = "oauth_state_invalid"
    title_fa = "این ورود دیگر معتبر نیست؛ از نو شروع کنید"
    title_en = "This sign-in is no longer valid; begin again"


class ReturnNotAllowed(DomainError):
    """The page to return to is not on the provider's list."""

    code = "return_not_allowed"
    title_fa = "بازگشت به این صفحه مجاز نیست"
    title_en = "Returning to this page is not allowed"


class OauthDenied(Forbidden):
    """The person or the provider said no."""

    code = "oauth_denied"
    title_fa = "ورود در سرویس دیگر تأیید نشد"
    title_en = "The sign-in was not confirmed there"


class OauthFailed(Unauthorized):
    """The provider's answer does not hold; why is in the log only."""

    code = "oauth_failed"
    title_fa = "پاسخ سرویس ورود پذیرفته نشد"
    title_en = "The answer of the sign-in service was not accepted"

    def __init__(self, reason: str = "") -> None:
        super().__init__()
        self.reason = reason  # for logs and the connection test; never answered to who signs in


class OauthUnavailable(DomainError):
    """The provider cannot be reached or does not speak OpenID Connect."""

    status = 503
    code = "oauth_unavailable"
    title_fa = "سرویس ورود در دسترس نیست"
    title_en = "The sign-in service cannot be reached"

    def __init__(self, reason: str = "") -> None:
        super().__init__(headers={"Retry-After": "30"})
        self.reason = reason


class OauthAccountExists(Conflict):
    """The address has an account that is not linked by itself: sign in there and link."""

    code = "oauth_account_exists"
    title_fa = "این نشانی حساب دارد؛ وارد شوید و از آن‌جا پیوند دهید"
    title_en = "This address has an account: sign in and link from there"


class OauthSignupClosed(Forbidden):
    """The provider opens no new accounts here."""

    code = "oauth_signup_closed"
    title_fa = "ساختن حساب تازه از این راه بسته است"
    title_en = "New accounts cannot be made this way"


class IdentityTaken(Conflict):
    """The account elsewhere belongs to somebody else here."""

    code = "identity_taken"
    title_fa = "این حساب به کاربر دیگری پیوند دارد"
    title_en = "This account is linked to another user"


class LastWayIn(Conflict):
    """Without it nobody could sign in to the account: set a password first."""

    code = "last_way_in"
    title_fa = "این تنها راه ورود شماست؛ اول گذرواژه بگذارید"
    title_en = "This is your only way in: set a password first"
