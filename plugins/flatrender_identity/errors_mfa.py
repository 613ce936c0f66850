"""Refusals around second factors, passkeys and trusted devices. Codes are part of the API."""

from flatrender.errors import Conflict, Unauthorized


class InvalidPasskey(Unauthorized):
    """The passkey's answer does not hold, or its challenge is over; why is for logs only."""

    code = "invalid_passkey"
    title_fa = "کلید عبور پذیرفته نشد"
    title_en = "The passkey was not accepted"
    detail_fa = "دوباره بخواهید و با کلید عبور خودتان پاسخ دهید."
    detail_en = "Ask again and answer with a passkey of yours."

    def __init__(self, reason: str = "") -> None:
        super().__init__()
        self.reason = reason


class PasskeyExists(Conflict):
    """This very passkey is registered already."""

    code = "passkey_exists"
    title_fa = "این کلید عبور از پیش ثبت شده است"
    title_en = "This passkey is registered already"


class NoSecondFactor(Conflict):
    """There is nothing to reset: the account has no second factor."""

    code = "no_second_factor"
    title_fa = "این حساب عامل دومی ندارد"
    title_en = "The account has no second factor"


class TooManyPasskeys(Conflict):
    """The account has as many passkeys as it may."""

    code = "too_many_passkeys"
    title_fa = "کلید عبور تازه جا نمی‌شود؛ یکی را بردارید"
    title_en = "There is no room for another passkey: remove one"
