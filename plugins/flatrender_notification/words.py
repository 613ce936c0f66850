"""The words of transactional messages, Persian first. Owns texts only; ``{name}`` marks a value."""

from msgspec import Struct


class Words(Struct, frozen=True, kw_only=True):
    """One message in both languages; ``{name}`` marks a value."""

    title_fa: str
    title_en: str
    body_fa: str = ""
    body_en: str = ""


#: Stands under every message that is caused while support acts in somebody's account.
BY_SUPPORT_FA = "در این هنگام پشتیبانی در حساب شما کار می‌کرد."
BY_SUPPORT_EN = "Support was acting in your account at that time."
#: Stands under a message about something that support began there.
BEGUN_BY_SUPPORT_FA = "این کار را پشتیبانی در حساب شما آغاز کرده بود."
BEGUN_BY_SUPPORT_EN = "Support began this in your account."

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
    "support_began": Words(
        title_fa="پشتیبانی در حساب شما کار می‌کند",
        title_en="Support is acting in your account",
        body_fa="دلیل: {reason}\nاین نشست در فهرست نشست‌هاست و هر وقت بخواهید پایانش می‌دهید.",
        body_en="Reason: {reason}\nYou see this session among yours and may end it at any time.",
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
    "totp_added": Words(
        title_fa="برنامهٔ رمزساز به حساب شما افزوده شد",
        title_en="An authenticator app was added to your account",
        body_fa="اگر کار شما نبود، آن را بردارید و گذرواژه‌تان را عوض کنید.",
        body_en="If this was not you, remove it and change your password now.",
    ),
    "totp_removed": Words(
        title_fa="برنامهٔ رمزساز از حساب شما برداشته شد",
        title_en="The authenticator app was removed from your account",
        body_fa="از دستگاه‌های دیگر خارج شدید. اگر کار شما نبود، همین حالا گذرواژه‌تان را عوض کنید.",
        body_en="Other devices were signed out. If this was not you, change your password now.",
    ),
    "passkey_added": Words(
        title_fa="یک کلید عبور به حساب شما افزوده شد",
        title_en="A passkey was added to your account",
        body_fa="نام: {name}. با آن بی‌گذرواژه وارد می‌شوند. اگر کار شما نبود، آن را بردارید و "
        "گذرواژه‌تان را عوض کنید.",
        body_en="Its name: {name}. It signs in without a password. If this was not you, remove it "
        "and change your password now.",
    ),
    "passkey_removed": Words(
        title_fa="یک کلید عبور از حساب شما برداشته شد",
        title_en="A passkey was removed from your account",
        body_fa="نام: {name}. از دستگاه‌های دیگر خارج شدید. اگر کار شما نبود، همین حالا "
        "گذرواژه‌تان را عوض کنید.",
        body_en="Its name: {name}. Other devices were signed out. If this was not you, change your "
        "password now.",
    ),
    "mfa_reset": Words(
        title_fa="عامل‌های دوم حساب شما برداشته شد",
        title_en="The second factors of your account were reset",
        body_fa="یکی از مدیران این کار را کرد و از همه‌ی دستگاه‌ها خارج شدید. وارد شوید و ورود "
        "دومرحله‌ای را دوباره فعال کنید. اگر شما نخواسته‌اید، همین حالا گذرواژه‌تان را عوض کنید.",
        body_en="An administrator did it, and you were signed out everywhere. Sign in and set "
        "two-factor sign-in up again. If you did not ask for it, change your password now.",
    ),
    "device_trusted": Words(
        title_fa="یک دستگاه مورد اعتماد شما شد",
        title_en="You trust a device from now on",
        body_fa="{device}. تا {days} روز در آن عامل دوم پرسیده نمی‌شود. اگر کار شما نبود، همین حالا "
        "گذرواژه‌تان را عوض کنید.",
        body_en="{device}. No second factor is asked for there for {days} day(s). If this was not "
        "you, change your password now.",
    ),
    "passkey_copied": Words(
        title_fa="شاید از کلید عبور شما نسخه‌ای ساخته شده است",
        title_en="A passkey of yours may have been copied",
        body_fa="نام: {name}. یک ورود با آن رد شد، چون شمارنده‌اش به عقب برگشته بود. آن را "
        "بردارید و کلید تازه بسازید.",
        body_en="Its name: {name}. A sign-in with it was refused because its counter went back. "
        "Remove it and make a new one.",
    ),
    "recovery_codes_renewed": Words(
        title_fa="کدهای بازیابی تازه ساخته شد",
        title_en="New recovery codes were made",
        body_fa="کدهای پیشین دیگر کار نمی‌کنند. اگر کار شما نبود، گذرواژه‌تان را عوض کنید.",
        body_en="The old ones no longer work. If this was not you, change your password now.",
    ),
    "verify_email": Words(
        title_fa="کد تأیید ایمیل شما: {code}",
        title_en="Your e-mail verification code: {code}",
        body_fa="این کد ۲۴ ساعت اعتبار دارد. اگر شما ثبت‌نام نکرده‌اید، این پیام را نادیده بگیرید.",
        body_en="It is good for 24 hours. If you did not register, ignore this message.",
    ),
    "verify_mobile": Words(
        title_fa="کد تأیید شما: {code}",
        title_en="Your verification code: {code}",
        body_fa="تا ۱۰ دقیقه معتبر است. آن را به کسی ندهید.",
        body_en="Good for 10 minutes. Give it to nobody.",
    ),
    "change_email": Words(
        title_fa="کد تأیید نشانی تازه: {code}",
        title_en="The code for your new address: {code}",
        body_fa="با این کد، این نشانی ایمیل حساب شما می‌شود. اگر شما نخواسته‌اید، نادیده بگیرید.",
        body_en="It makes this the address of your account. If you did not ask for it, ignore it.",
    ),
    "change_mobile": Words(
        title_fa="کد تأیید شمارهٔ تازه: {code}",
        title_en="The code for your new number: {code}",
        body_fa="تا ۱۰ دقیقه معتبر است. آن را به کسی ندهید.",
        body_en="Good for 10 minutes. Give it to nobody.",
    ),
    "reset_password": Words(
        title_fa="کد بازیابی حساب: {code}",
        title_en="Your account recovery code: {code}",
        body_fa="تا ۳۰ دقیقه با این کد گذرواژهٔ تازه بگذارید. "
        "اگر شما نخواسته‌اید، چیزی عوض نشده است.",
        body_en="Set a new password with it within 30 minutes. "
        "If you did not ask, nothing has changed.",
    ),
    "magic_link": Words(
        title_fa="کد ورود شما: {code}",
        title_en="Your sign-in code: {code}",
        body_fa="تا ۱۵ دقیقه معتبر است. آن را به کسی ندهید.",
        body_en="Good for 15 minutes. Give it to nobody.",
    ),
    "account_exists": Words(
        title_fa="شما از پیش حساب دارید",
        title_en="You already have an account",
        body_fa="کسی با این نشانی ثبت‌نام کرد. اگر شما بودید، با کد {code} گذرواژهٔ تازه بگذارید "
        "(تا ۳۰ دقیقه)؛ وگرنه چیزی عوض نشده است.",
        body_en="Somebody registered with this address. If it was you, set a new password with the "
        "code {code} within 30 minutes; otherwise nothing has changed.",
    ),
    "address_in_use": Words(
        title_fa="این نشانی از آن حساب شماست",
        title_en="This address belongs to your account",
        body_fa="کسی خواست آن را به حساب دیگری بدهد. چیزی عوض نشده است.",
        body_en="Somebody wanted to give it to another account. Nothing has changed.",
    ),
    "password_changed": Words(
        title_fa="گذرواژهٔ شما عوض شد",
        title_en="Your password was changed",
        body_fa="از همه‌ی دستگاه‌ها خارج شدید. اگر کار شما نبود، همین حالا حساب را بازیابی کنید.",
        body_en="You were signed out everywhere. If this was not you, recover your account now.",
    ),
    "email_changed": Words(
        title_fa="ایمیل حساب شما عوض شد",
        title_en="The e-mail of your account was changed",
        body_fa="از {old} به {new}. اگر کار شما نبود، با پشتیبانی تماس بگیرید.",
        body_en="From {old} to {new}. If this was not you, contact support.",
    ),
    "mobile_changed": Words(
        title_fa="شمارهٔ همراه حساب شما عوض شد",
        title_en="The mobile number of your account was changed",
        body_fa="از {old} به {new}. اگر کار شما نبود، با پشتیبانی تماس بگیرید.",
        body_en="From {old} to {new}. If this was not you, contact support.",
    ),
    "new_sign_in": Words(
        title_fa="ورود از دستگاهی تازه",
        title_en="A sign-in from a new device",
        body_fa="{device} از نشانی {address}. اگر کار شما نبود، گذرواژه‌تان را عوض کنید.",
        body_en="{device} from {address}. If this was not you, change your password now.",
    ),
    "identity_linked": Words(
        title_fa="ورود با {provider} به حساب شما افزوده شد",
        title_en="Signing in with {provider} was added to your account",
        body_fa="اگر کار شما نبود، آن را از حساب خود بردارید و گذرواژه‌تان را عوض کنید.",
        body_en="If this was not you, remove it in your account and change your password.",
    ),
    "identity_unlinked": Words(
        title_fa="ورود با {provider} از حساب شما برداشته شد",
        title_en="Signing in with {provider} was removed from your account",
        body_fa="اگر کار شما نبود، همین حالا گذرواژه‌تان را عوض کنید.",
        body_en="If this was not you, change your password now.",
    ),
    "account_claimed": Words(
        title_fa="نشانی شما تأیید شد و راه‌های ورود پیشین بسته شد",
        title_en="Your address was proven, and earlier ways in were closed",
        body_fa="کسی پیش از تأیید نشانی با آن حساب ساخته بود؛ گذرواژه و نشست‌هایش دیگر کار نمی‌کنند.",
        body_en="Somebody had made an account with your address before it was proven; that "
        "password and its sessions no longer work.",
    ),
    "sessions_ended": Words(
        title_fa="از همه‌ی دستگاه‌ها خارج شدید",
        title_en="You were signed out everywhere",
        body_fa="اگر کار شما نبود، گذرواژه‌تان را عوض کنید.",
        body_en="If this was not you, change your password now.",
    ),
    "session_stolen": Words(
        title_fa="یکی از نشست‌های شما بسته شد",
        title_en="One of your sessions was ended",
        body_fa="کلیدی که یک بار به کار رفته بود دوباره آمد؛ شاید کسی آن را برداشته باشد. "
        "دوباره وارد شوید و گذرواژه‌تان را عوض کنید.",
        body_en="A key that had been used came back: somebody may have taken it. "
        "Sign in again and change your password.",
    ),
    "invitation": Words(
        title_fa="دعوت به {tenant}",
        title_en="An invitation to {tenant}",
        body_fa="{inviter} شما را دعوت کرد. پیوند زیر یک بار و تا ۷ روز کار می‌کند. {message}",
        body_en="{inviter} invited you. The link below works once, for 7 days. {message}",
    ),
    "role_changed": Words(
        title_fa="نقش شما عوض شد",
        title_en="Your role was changed",
        body_fa="از {before} به {after}. برای ادامه دوباره وارد شوید.",
        body_en="From {before} to {after}. Sign in again to go on.",
    ),
    "banned": Words(
        title_fa="حساب شما مسدود شد",
        title_en="Your account was banned",
        body_fa="دلیل: {reason}. اگر درست نیست، با پشتیبانی تماس بگیرید.",
        body_en="The reason: {reason}. If this is not right, contact support.",
    ),
    "banned_until": Words(
        title_fa="حساب شما تا {until} مسدود شد",
        title_en="Your account is banned until {until}",
        body_fa="دلیل: {reason}. اگر درست نیست، با پشتیبانی تماس بگیرید.",
        body_en="The reason: {reason}. If this is not right, contact support.",
    ),
    "unbanned": Words(
        title_fa="مسدودی حساب شما برداشته شد",
        title_en="Your account is no longer banned",
        body_fa="می‌توانید دوباره وارد شوید.",
        body_en="You can sign in again.",
    ),
    "password_set": Words(
        title_fa="پشتیبانی برای حساب شما گذرواژهٔ موقت گذاشت",
        title_en="Support set a temporary password for your account",
        body_fa="از همه‌ی دستگاه‌ها خارج شدید. در ورود بعدی گذرواژهٔ تازه بگذارید. "
        "اگر نخواسته‌اید، با پشتیبانی تماس بگیرید.",
        body_en="You were signed out everywhere. Choose a new one at your next sign-in. "
        "If you did not ask for it, contact support.",
    ),
    "delete_account": Words(
        title_fa="حساب شما روز {day} پاک می‌شود",
        title_en="Your account will be deleted on {day}",
        body_fa="اگر پشیمان شدید یا کار شما نبود، تا آن روز با پیوند زیر یا از حساب خود پس بگیرید.",
        body_en="If you changed your mind, or it was not you, take it back until then by the link "
        "below or in your account.",
    ),
    "deletion_cancelled": Words(
        title_fa="حساب شما می‌ماند",
        title_en="Your account stays",
        body_fa="درخواست پاک شدن حساب پس گرفته شد.",
        body_en="The request to delete it was taken back.",
    ),
    "data_export_ready": Words(
        title_fa="نسخه‌ای از داده‌های شما آماده است",
        title_en="A copy of your data is ready",
        body_fa="تا {days} روز از حساب خود دانلود کنید. "
        "اگر شما نخواسته‌اید، گذرواژه‌تان را عوض کنید.",
        body_en="Download it in your account within {days} days. "
        "If you did not ask for it, change your password now.",
    ),
}
