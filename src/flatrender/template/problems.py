"""What can be wrong with a template package: the problem record, its words, the refusal.

Owns every code a package can be refused with, in Persian and English. Never reads a file.
"""

from typing import ClassVar, Literal

from msgspec import Struct

from flatrender.errors import FieldError, Invalid

Level = Literal["error", "warning"]

# code -> (English, Persian); ``str.format`` templates over the problem's parameters.
MESSAGES: dict[str, tuple[str, str]] = {
    "zip_invalid": ("Not a readable zip archive: {reason}", "بایگانی zip خوانده نمی‌شود: {reason}"),
    "package_too_large": (
        "The package is {size} bytes; at most {limit} are allowed",
        "اندازهٔ بسته {size} بایت است؛ حداکثر {limit} بایت مجاز است",
    ),
    "zip64_refused": ("Zip64 archives are not accepted", "بایگانی Zip64 پذیرفته نمی‌شود"),
    "too_many_entries": (
        "The package holds {count} entries; at most {limit} are allowed",
        "بسته {count} پرونده دارد؛ حداکثر {limit} پرونده مجاز است",
    ),
    "entry_too_large": (
        "Unpacked size {size} is over the limit of {limit} bytes",
        "اندازهٔ بازشده {size} از حد {limit} بایت بیشتر است",
    ),
    "total_too_large": (
        "Unpacked, the package is {size} bytes; at most {limit} are allowed",
        "بسته پس از باز شدن {size} بایت است؛ حداکثر {limit} بایت مجاز است",
    ),
    "compression_bomb": (
        "Compressed {ratio} to 1; at most {limit} to 1 is allowed",
        "نسبت فشرده‌سازی {ratio} به ۱ است؛ حداکثر {limit} به ۱ مجاز است",
    ),
    "overlapping_entries": (
        "Entries share the same bytes of the archive",
        "پرونده‌های بایگانی روی هم افتاده‌اند",
    ),
    "encrypted_entry": ("Encrypted entries are not accepted", "پروندهٔ رمزدار پذیرفته نمی‌شود"),
    "compression_unsupported": (
        "Only stored and deflated entries are accepted",
        "تنها روش‌های stored و deflate پذیرفته می‌شود",
    ),
    "absolute_path": ("Absolute paths are not accepted", "مسیر مطلق پذیرفته نمی‌شود"),
    "path_traversal": ("The path leaves the package", "مسیر از بسته بیرون می‌رود"),
    "entry_name_invalid": (
        "Names may hold only letters, digits, dot, dash, underscore and slash",
        "نام پرونده فقط می‌تواند حرف لاتین، رقم، نقطه، خط تیره و زیرخط داشته باشد",
    ),
    "name_reserved": (
        "Windows keeps this name for itself",
        "این نام در ویندوز رزرو شده است",
    ),
    "name_unsafe": (
        "The name cannot be written on every machine (control or reserved characters, a dot or a "
        "space at an end, or too long)",
        "این نام روی همهٔ سیستم‌ها نوشته نمی‌شود (نویسهٔ کنترلی یا رزرو، نقطه یا فاصله در انتها، یا "
        "درازی بیش از حد)",
    ),
    "file_is_folder": (
        "The name is a file here and a folder of another entry",
        "این نام هم پرونده است و هم پوشهٔ پرونده‌ای دیگر",
    ),
    "nested_archive": (
        "Archives inside the bundle are not accepted",
        "بایگانی درون بسته پذیرفته نمی‌شود",
    ),
    "project_missing": (
        "The bundle holds no After Effects project",
        "در بسته هیچ پروژهٔ افترافکت نیست",
    ),
    "project_not_single": (
        "The bundle holds {count} projects; exactly one is needed",
        "در بسته {count} پروژه هست؛ دقیقاً یکی لازم است",
    ),
    "project_unreadable": ("{reason} (byte {offset})", "{reason_fa} (بایت {offset})"),
    "symlink": ("Symbolic links are not accepted", "پیوند نمادین پذیرفته نمی‌شود"),
    "special_file": ("Only plain files are accepted", "تنها پروندهٔ معمولی پذیرفته می‌شود"),
    "duplicate_entry": ("The name appears twice", "این نام دو بار آمده است"),
    "unexpected_entry": (
        "A template package has no place for this entry",
        "این پرونده در بستهٔ قالب جایی ندارد",
    ),
    "entry_corrupt": ("The entry cannot be read: {reason}", "پرونده خراب است: {reason}"),
    "entry_missing": ("The package does not hold {path}", "بسته {path} را ندارد"),
    "json_invalid": ("Not valid JSON: {reason}", "JSON معتبر نیست: {reason}"),
    "field_missing": ("The field {field} is required", "فیلد {field} لازم است"),
    "field_unknown": ("There is no field {field} here", "فیلد {field} شناخته نیست"),
    "type_invalid": ("{reason}", "نوع مقدار نادرست است ({reason})"),
    "value_invalid": ("{reason}", "مقدار نادرست است ({reason})"),
    "format_unsupported": (
        "dotLottie version {version} is not 2",
        "نسخهٔ dotLottie {version} باید ۲ باشد",
    ),
    "animation_missing": (
        "The animation {name} has no file a/{name}.json",
        "انیمیشن {name} پروندهٔ a/{name}.json را ندارد",
    ),
    "animation_unlisted": (
        "manifest.json does not list the animation {name}",
        "manifest.json انیمیشن {name} را نام نبرده است",
    ),
    "animation_invalid": ("Not a Lottie animation: {reason}", "انیمیشن Lottie نیست: {reason}"),
    "animation_too_short": (
        "intro + outro ({needed} s) is longer than the animation ({length} s)",
        "آغاز و پایان ({needed} ثانیه) از خود انیمیشن ({length} ثانیه) بلندتر است",
    ),
    "theme_missing": (
        "The theme {name} has no file t/{name}.json",
        "پوستهٔ {name} پروندهٔ t/{name}.json را ندارد",
    ),
    "duplicate_key": ("{key} is used twice", "{key} دو بار به کار رفته است"),
    "slot_shadows_color": (
        "The slot {key} has the name of a shared colour",
        "نام اسلات {key} با یک رنگ مشترک یکی است",
    ),
    "slot_unbound": (
        "The animation {animation} has no slot {key}",
        "انیمیشن {animation} اسلات {key} را ندارد",
    ),
    "slot_kind_mismatch": (
        "{key} is a {declared} slot here but {found} in the animation",
        "اسلات {key} اینجا {declared} است ولی در انیمیشن {found}",
    ),
    "slot_undeclared": (
        "The animation has a slot {key} that the manifest does not offer",
        "انیمیشن اسلات {key} را دارد ولی قالب آن را عرضه نمی‌کند",
    ),
    "default_invalid": ("The default is refused: {reason}", "مقدار پیش‌فرض پذیرفته نیست: {reason}"),
    "range_invalid": (
        "minimum {minimum} is above maximum {maximum}",
        "کمینهٔ {minimum} از بیشینهٔ {maximum} بیشتر است",
    ),
    "duration_out_of_range": (
        "duration {duration} lies outside {minimum}..{maximum}",
        "مدت {duration} بیرون از بازهٔ {minimum} تا {maximum} است",
    ),
    "fixed_parts_too_long": (
        "intro + outro ({needed} s) does not fit the shortest duration ({minimum} s)",
        "آغاز و پایان ({needed} ثانیه) در کوتاه‌ترین مدت ({minimum} ثانیه) جا نمی‌شود",
    ),
    "overlap_too_long": (
        "The overlap of {overlap} s must be shorter than both scenes ({limit} s)",
        "هم‌پوشانی {overlap} ثانیه باید از هر دو صحنه ({limit} ثانیه) کوتاه‌تر باشد",
    ),
    "color_unknown": ("There is no shared colour {key}", "رنگ مشترک {key} وجود ندارد"),
    "preset_incomplete": ("The preset leaves out {keys}", "این پالت رنگ‌های {keys} را ندارد"),
    "aspect_duplicate": (
        "The aspect {aspect} appears twice",
        "نسبت تصویر {aspect} دو بار آمده است",
    ),
    "size_odd": (
        "Width and height must be even: {width}x{height}",
        "پهنا و بلندی باید زوج باشند: {width}x{height}",
    ),
    "size_not_aspect": (
        "{width}x{height} is not {aspect}",
        "{width}x{height} با نسبت {aspect} سازگار نیست",
    ),
    "mode_forbids": ("The mode {mode} does not allow this", "حالت {mode} این را اجازه نمی‌دهد"),
    "no_default_scene": ("No scene is in the default order", "هیچ صحنه‌ای در چیدمان پیش‌فرض نیست"),
    "music_unknown": ("There is no music track {key}", "آهنگ {key} وجود ندارد"),
    "file_kind_mismatch": ("The content is not {expected}", "محتوای پرونده {expected} نیست"),
    "image_too_large": (
        "{width}x{height} pixels is over the cap of {limit}",
        "تصویر {width}x{height} از حد {limit} پیکسل بزرگ‌تر است",
    ),
    "font_unlisted": (
        "The animation uses the font {family}, which the package does not bring",
        "انیمیشن از قلم {family} استفاده می‌کند که در بسته نیست",
    ),
}


class PackageProblem(Struct, frozen=True, kw_only=True):
    """One finding. ``path`` is the entry in the zip, ``pointer`` a JSON Pointer inside it."""

    path: str
    pointer: str
    code: str
    message_en: str
    message_fa: str
    level: Level = "error"

    @property
    def place(self) -> str:
        """Where it is, for people: ``flatrender.json#/variants/0``; ``/`` is the whole zip."""
        if not self.path:
            return "/"
        return f"{self.path}#{self.pointer}" if self.pointer else self.path


def problem(
    code: str, path: str, pointer: str = "", /, *, level: Level = "error", **params: object
) -> PackageProblem:
    """Make a problem with its words filled in. Raises KeyError for a code that has none."""
    english, persian = MESSAGES[code]
    return PackageProblem(
        path=path,
        pointer=pointer,
        code=code,
        message_en=english.format(**params),
        message_fa=persian.format(**params),
        level=level,
    )


class PackageRefused(Invalid):
    """The package cannot be used; ``problems`` names every reason and its place."""

    code: ClassVar[str] = "template_package_refused"
    title_fa: ClassVar[str] = "بستهٔ قالب پذیرفته نشد"
    title_en: ClassVar[str] = "The template package was refused"
    detail_fa: ClassVar[str] = "{count} ایراد پیدا شد؛ نخستین: {first_fa}"
    detail_en: ClassVar[str] = "{count} problems; the first: {first_en}"

    def __init__(self, problems: list[PackageProblem]) -> None:
        first = problems[0]
        super().__init__(
            errors=[
                FieldError(
                    pointer=p.place, code=p.code, message_fa=p.message_fa, message_en=p.message_en
                )
                for p in problems
            ],
            count=len(problems),
            first_en=f"{first.place}: {first.message_en}",
            first_fa=f"{first.place}: {first.message_fa}",
        )
        self.problems = problems
