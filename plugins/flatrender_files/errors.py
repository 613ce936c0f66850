"""The file manager's refusals. Codes are part of the API."""

from flatrender.errors import Conflict, DomainError


class QuotaExceeded(DomainError):
    """The upload does not fit the person's storage."""

    status = 413
    code = "quota_exceeded"
    title_fa = "فضای ذخیره‌سازی کافی نیست"
    title_en = "Not enough storage"
    detail_fa = "{needed} بایت لازم است و {left} بایت مانده است."
    detail_en = "{needed} bytes are needed and {left} are left."


class FileTooLarge(DomainError):
    """Files of this purpose may not be this large."""

    status = 413
    code = "file_too_large"
    title_fa = "فایل بیش از اندازه بزرگ است"
    title_en = "The file is too large"
    detail_fa = "حداکثر {limit} بایت"
    detail_en = "At most {limit} bytes."


class UploadOverPlan(DomainError):
    """One file may not be this large on the person's plan."""

    status = 413
    code = "upload_over_plan"
    title_fa = "فایل از اندازه‌ی مجاز طرح شما بزرگ‌تر است"
    title_en = "The file is larger than your plan allows"
    detail_fa = "طرح «{plan}» فایل تا {limit} بایت می‌پذیرد؛ این فایل {size} بایت است."
    detail_en = "The “{plan}” plan takes files up to {limit} bytes; this one has {size}."


class FolderExists(Conflict):
    """A folder of this name is there already."""

    code = "folder_exists"
    title_fa = "پوشه‌ای با این نام هست"
    title_en = "There is a folder of this name"


class FolderCycle(Conflict):
    """A folder cannot lie inside itself."""

    code = "folder_cycle"
    title_fa = "پوشه در خودش جا نمی‌گیرد"
    title_en = "A folder cannot be moved into itself"


class TooManyFolders(Conflict):
    """The person has all the folders, or all the levels of them, that we keep."""

    code = "too_many_folders"
    title_fa = "پوشه‌ها از اندازه بیشتر شد"
    title_en = "Too many folders"
    detail_fa = "حداکثر {limit}"
    detail_en = "At most {limit}."


class NotUploaded(Conflict):
    """The bytes have not arrived."""

    code = "not_uploaded"
    title_fa = "فایل هنوز بارگذاری نشده است"
    title_en = "The file has not been uploaded yet"


class UploadClosed(Conflict):
    """The upload was finished, refused or given up."""

    code = "upload_closed"
    title_fa = "این بارگذاری بسته شده است"
    title_en = "This upload is closed"


class UploadBusy(Conflict):
    """The bytes are being checked right now; ask again in a moment."""

    code = "upload_busy"
    title_fa = "فایل در حال بررسی است"
    title_en = "The upload is being checked"


class SizeMismatch(DomainError):
    """Other bytes came than were declared; they were removed."""

    status = 422
    code = "size_mismatch"
    title_fa = "اندازهٔ فایل با اعلام‌شده یکی نیست"
    title_en = "The size is not what was declared"


class ContentMismatch(DomainError):
    """The content is not of an accepted type for its purpose, or not what its hash says."""

    status = 422
    code = "content_mismatch"
    title_fa = "محتوای فایل پذیرفته نیست"
    title_en = "The content is not accepted"
    detail_fa = "این فایل {found} است."
    detail_en = "This file is {found}."


class ImageTooLarge(DomainError):
    """The picture has more pixels than we decode."""

    status = 422
    code = "image_too_large"
    title_fa = "ابعاد تصویر بیش از اندازه بزرگ است"
    title_en = "The picture has too many pixels"
    detail_fa = "{width}×{height} پیکسل"
    detail_en = "{width}x{height} pixels"


class MediaUnreadable(DomainError):
    """The picture, sound, video or font is damaged."""

    status = 422
    code = "media_unreadable"
    title_fa = "فایل خوانده نشد"
    title_en = "The file could not be read"
