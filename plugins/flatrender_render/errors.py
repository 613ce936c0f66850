"""The render context's refusals. Codes are part of the API."""

from flatrender.errors import Conflict, DomainError, Forbidden


class JobFinished(Conflict):
    """The job has ended; there is nothing to stop."""

    code = "job_finished"
    title_fa = "این رندر پایان یافته است"
    title_en = "This render has already ended"
    detail_fa = "وضعیت: {step}"
    detail_en = "It ended as {step}."


class TooManyActiveJobs(DomainError):
    """The plan allows no more renders at once."""

    status = 429
    code = "too_many_active_jobs"
    title_fa = "رندرهای هم‌زمان شما زیاد است"
    title_en = "Too many renders at once"
    detail_fa = "طرح شما {limit} رندر هم‌زمان را می‌دهد."
    detail_en = "Your plan allows {limit} renders at once."


class VideoTooManyFrames(DomainError):
    """The video is longer than the farm takes."""

    status = 422
    code = "video_too_long"
    title_fa = "ویدیو بیش از اندازه بلند است"
    title_en = "The video is too long"
    detail_fa = "حداکثر {limit} فریم؛ این ویدیو {frames} فریم دارد."
    detail_en = "At most {limit} frames; this video has {frames}."


class ExportGone(DomainError):
    """The export expired or was deleted."""

    status = 410
    code = "export_gone"
    title_fa = "این خروجی دیگر نگه‌داری نمی‌شود"
    title_en = "This export is no longer kept"


class SnapshotFailed(DomainError):
    """The frame could not be drawn; the detail is for the customer."""

    status = 422
    code = "snapshot_failed"
    title_fa = "این تصویر ساخته نشد"
    title_en = "The picture could not be drawn"
    detail_fa = "{reason_fa}"
    detail_en = "{reason_en}"


class ClaimOver(Conflict):
    """A node reports on an attempt that is over; nothing was changed."""

    code = "stale_epoch"
    title_fa = "این تلاش پایان یافته است"
    title_en = "This attempt is over"
    detail_fa = "کار به گره دیگری داده شده یا لغو شده است؛ گزارش چیزی را تغییر نداد."
    detail_en = "The work was cancelled or given to another node; the report changed nothing."


class NotYourObject(Forbidden):
    """A node asks for an object that its claim does not use."""

    code = "object_not_of_claim"
    title_fa = "این فایل از آنِ این کار نیست"
    title_en = "The object does not belong to this claim"
    detail_fa = "کلید: {key}"
    detail_en = "Key: {key}"


class ActNotOfClaim(Forbidden):
    """A node does or tells what its kind of claim does not."""

    code = "act_not_of_claim"
    title_fa = "این کار از آنِ این سفارش نیست"
    title_en = "The claim's work has no such act"
    detail_fa = "تکه‌ها و گردآوری ویدیو هر یک گزارش خود را دارند، دربارهٔ همان فریم‌ها."
    detail_en = "Pieces and the assembly each have reports of their own, of their own frames."


class ObjectNotThere(Conflict):
    """A node reports an object that the store does not have as told."""

    code = "object_not_there"
    title_fa = "فایل گزارش‌شده در انبار نیست"
    title_en = "The reported object is not in the store as told"
    detail_fa = "کلید: {key}"
    detail_en = "Key: {key}"


class NotProven(Conflict):
    """The farm looked at a node's result, and it is not what it must be; the attempt failed."""

    code = "not_proven"
    title_fa = "این نتیجه از بازبینی رد شد"
    title_en = "The result did not pass the farm's own look"
    detail_fa = "ایراد: {kind}. این تلاش ناموفق به شمار آمد."
    detail_en = "The fault: {kind}. The attempt has failed."


class AlreadyInFormat(Conflict):
    """Further formats are made from the MP4 only."""

    code = "not_the_mp4"
    title_fa = "تنها از خروجی MP4 می‌توان قالب دیگری ساخت"
    title_en = "Other formats are made from the MP4 only"


class ShareRefused(Forbidden):
    """The share's password is missing or wrong."""

    code = "share_password_required"
    title_fa = "این پیوند گذرواژه دارد"
    title_en = "This link has a password"
    detail_fa = "گذرواژه را به `POST /s/{{token}}/unlock` بفرستید."
    detail_en = "Send the password to `POST /s/{{token}}/unlock`."


class ShareOver(DomainError):
    """The share expired, was revoked, or its downloads are used up."""

    status = 410
    code = "share_over"
    title_fa = "این پیوند دیگر کار نمی‌کند"
    title_en = "This link no longer works"


class TooManyShares(Conflict):
    """An export has as many links as it may."""

    code = "too_many_shares"
    title_fa = "برای این خروجی پیوند بیشتری نمی‌شود ساخت"
    title_en = "This export has as many links as it may"
    detail_fa = "حداکثر {limit} پیوند؛ یکی را باطل کنید."
    detail_en = "At most {limit}; revoke one."


class BatchTooLarge(DomainError):
    """The plan allows no batch of so many rows."""

    status = 422
    code = "batch_too_large"
    title_fa = "سطرهای جدول بیش از اندازهٔ طرح شماست"
    title_en = "The table has more rows than your plan allows"
    detail_fa = "حداکثر {limit} سطر؛ این جدول {rows} سطر دارد."
    detail_en = "At most {limit}; this table has {rows}."


class BatchEmpty(Conflict):
    """No row failed; there is nothing to render again."""

    code = "nothing_to_retry"
    title_fa = "سطر ناموفقی نیست"
    title_en = "No row has failed"
