"""Why a project file cannot be read: a code, the byte where it happened, words in two languages."""

# code -> (English, Persian); ``str.format`` templates over the error's parameters.
MESSAGES: dict[str, tuple[str, str]] = {
    "not_a_project": (
        "Not an After Effects project: the file does not begin as one",
        "این فایل پروژه‌ی افترافکت نیست: آغاز آن چنین نیست",
    ),
    "project_too_large": (
        "The project file is {size} bytes; at most {limit} are allowed",
        "اندازه‌ی فایل پروژه {size} بایت است؛ حداکثر {limit} بایت مجاز است",
    ),
    "file_truncated": (
        "The file ends before the project does: {size} of {wanted} bytes",
        "فایل پیش از پایان پروژه تمام می‌شود: {size} از {wanted} بایت",
    ),
    "chunk_truncated": (
        "A chunk reaches past the end of what holds it",
        "یک بخش از پایان دربرگیرنده‌اش بیرون می‌زند",
    ),
    "chunk_too_short": (
        "The chunk {chunk} is {size} bytes; {wanted} are needed",
        "بخش {chunk} {size} بایت است؛ {wanted} بایت لازم است",
    ),
    "too_deep": (
        "Lists are nested deeper than {limit}",
        "فهرست‌ها بیش از {limit} لایه تودرتو هستند",
    ),
    "too_many_chunks": (
        "The project holds more than {limit} chunks",
        "پروژه بیش از {limit} بخش دارد",
    ),
    "too_many_items": (
        "The project holds more than {limit} items",
        "پروژه بیش از {limit} مورد دارد",
    ),
    "too_many_layers": (
        "The project holds more than {limit} layers",
        "پروژه بیش از {limit} لایه دارد",
    ),
    "took_too_long": (
        "Reading the project took longer than {limit} s",
        "خواندن پروژه بیش از {limit} ثانیه طول کشید",
    ),
    "value_invalid": ("{what} is not possible: {value}", "مقدار {what} ممکن نیست: {value}"),
    "duplicate_item": ("Two items have the id {value}", "دو مورد شناسه‌ی {value} دارند"),
    "text_invalid": (
        "A text document cannot be read: {reason}",
        "یک سند متنی خوانده نمی‌شود: {reason}",
    ),
    "no_comps": ("The project has no comp", "پروژه هیچ کامپی ندارد"),
}


class ProjectRefused(Exception):
    """A project file cannot be read. ``offset`` is the byte of the file where it shows."""

    def __init__(self, code: str, offset: int, /, **params: object) -> None:
        english, persian = MESSAGES[code]
        self.code = code
        self.offset = offset
        self.message_en = english.format(**params)
        self.message_fa = persian.format(**params)
        super().__init__(f"{code} at byte {offset}: {self.message_en}")
