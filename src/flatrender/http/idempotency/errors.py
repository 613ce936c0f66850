"""Refusals about Idempotency-Key."""

from flatrender.errors import Conflict, Invalid
from flatrender.http.errors import BadRequest


class KeyMissing(BadRequest):
    """The route demands a key."""

    code = "idempotency_key_missing"
    title_fa = "سرآیند Idempotency-Key لازم است"
    title_en = "Idempotency-Key is required"


class KeyInvalid(BadRequest):
    """The header is no quoted string or token of 1 to 255 visible characters."""

    code = "idempotency_key_invalid"
    title_fa = "سرآیند Idempotency-Key خوانا نیست"
    title_en = "The Idempotency-Key cannot be read"


class KeyReused(Invalid):
    """The key belongs to another request."""

    code = "idempotency_key_reused"
    title_fa = "این کلید برای درخواست دیگری به کار رفته است"
    title_en = "The Idempotency-Key was used for another request"


class KeyRunning(Conflict):
    """The first request with this key has not ended; Retry-After says when to ask again."""

    code = "idempotency_running"
    title_fa = "درخواست نخست هنوز در حال انجام است"
    title_en = "The first request with this key is still running"


class AnswerLost(Conflict):
    """The act was done and its answer cannot be given again."""

    code = "idempotency_answer_lost"
    title_fa = "این کار انجام شده ولی پاسخ آن در دست نیست"
    title_en = "The act was done, but its answer is no longer available"


class ClaimLost(Conflict):
    """This request outlived its lock and another took over; its changes are rolled back."""

    code = "idempotency_claim_lost"
    title_fa = "این درخواست بیش از حد طول کشید و کنار گذاشته شد"
    title_en = "The request took too long and another one took over"
