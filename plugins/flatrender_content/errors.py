"""Content's refusals. Codes are part of the API."""

from collections.abc import Sequence
from typing import ClassVar

from flatrender.errors import Conflict, FieldError, Invalid


class TemplateRejected(Invalid):
    """A package cannot be used; ``errors`` names every reason and its place in the zip."""

    code: ClassVar[str] = "template_rejected"
    title_fa: ClassVar[str] = "قالب پذیرفته نشد"
    title_en: ClassVar[str] = "The template was rejected"
    detail_fa: ClassVar[str] = "{count} ایراد پیدا شد؛ نخستین: {first_fa}"
    detail_en: ClassVar[str] = "{count} problems; the first: {first_en}"

    def __init__(self, errors: Sequence[FieldError]) -> None:
        first = errors[0]
        super().__init__(
            errors=errors,
            count=len(errors),
            first_en=f"{first.pointer}: {first.message_en}",
            first_fa=f"{first.pointer}: {first.message_fa}",
        )


class SlugTaken(Conflict):
    """Another thing of this kind has the slug; case does not count."""

    code: ClassVar[str] = "slug_taken"
    title_fa: ClassVar[str] = "این نشانی پیش‌تر گرفته شده است"
    title_en: ClassVar[str] = "The slug is taken"


class TrackExists(Conflict):
    """The library has this very sound already."""

    code: ClassVar[str] = "track_exists"
    title_fa: ClassVar[str] = "این آهنگ پیش‌تر به کتابخانه افزوده شده است"
    title_en: ClassVar[str] = "The library has this sound already"


class CategoryInUse(Conflict):
    """Templates or other categories still hang on it."""

    code: ClassVar[str] = "category_in_use"
    title_fa: ClassVar[str] = "این دسته هنوز خالی نیست"
    title_en: ClassVar[str] = "The category is not empty"


class CategoryCycle(Invalid):
    """A category cannot lie below itself."""

    code: ClassVar[str] = "category_cycle"
    title_fa: ClassVar[str] = "دسته نمی‌تواند زیر خودش باشد"
    title_en: ClassVar[str] = "A category cannot lie below itself"


class EngineMismatch(Conflict):
    """The template is drawn by another engine: its package is none of After Effects."""

    code: ClassVar[str] = "engine_mismatch"
    title_fa: ClassVar[str] = "این قالب با موتور دیگری ساخته شده است"
    title_en: ClassVar[str] = "The template is made for another engine"
    detail_fa: ClassVar[str] = "موتور این قالب {engine} است"
    detail_en: ClassVar[str] = "Its engine is {engine}"


class ScanUnfinished(Conflict):
    """A scan has not ended well, or not yet: there is nothing to look at."""

    code: ClassVar[str] = "scan_not_done"
    title_fa: ClassVar[str] = "اسکن کامل نشده است"
    title_en: ClassVar[str] = "The scan is not done"
    detail_fa: ClassVar[str] = "وضعیت آن {state} است"
    detail_en: ClassVar[str] = "Its state is {state}"


class ScanOver(Conflict):
    """A scan that has ended cannot be cancelled."""

    code: ClassVar[str] = "scan_over"
    title_fa: ClassVar[str] = "اسکن پایان یافته است"
    title_en: ClassVar[str] = "The scan has ended"


class ChoiceUnknown(Invalid):
    """A path that the preview does not have, or that is no orphan."""

    code: ClassVar[str] = "validation_failed"

    def __init__(self, field: str, paths: Sequence[str]) -> None:
        super().__init__(
            errors=[
                FieldError(
                    pointer=f"/{field}",
                    code="unknown_path",
                    message_fa=f"در پیش‌نمایش چنین موردی نیست: {path}",
                    message_en=f"The preview has no such entry: {path}",
                )
                for path in paths
            ]
        )
