"""What a scan says of a project's names, in English and Persian."""

from flatrender.template.project_scan import ScanNote

# code -> (English, Persian); ``str.format`` templates over the note's parameters.
MESSAGES: dict[str, tuple[str, str]] = {
    "final_comp_missing": (
        "No comp is called frfinal or flatrender",
        "هیچ کامپی frfinal یا flatrender نام ندارد",
    ),
    "final_comp_twice": (
        "More than one comp is a final one; exactly one is needed",
        "بیش از یک کامپ نهایی هست؛ دقیقاً یکی لازم است",
    ),
    "mode_mismatch": (
        "A template of mode {mode} has another final comp",
        "قالب با حالت {mode} کامپ نهایی دیگری دارد",
    ),
    "aspect_unsupported": (
        "{size} is neither 16:9 nor 1:1 nor 9:16",
        "اندازه‌ی {size} هیچ‌یک از نسبت‌های 16:9، 1:1 و 9:16 نیست",
    ),
    "fps_unsupported": (
        "{fps} frames per second; a whole number from 1 to 60 is needed",
        "نرخ {fps} فریم بر ثانیه است؛ عددی صحیح از ۱ تا ۶۰ لازم است",
    ),
    "no_scenes": ("No scene was found", "هیچ صحنه‌ای پیدا نشد"),
    "not_a_fix_key": (
        "{key} is neither c<x>t<y> nor c<x>m<y>, as layers of a Fix template are",
        "{key} نه c<x>t<y> است و نه c<x>m<y> که لایه‌های قالب ثابت باید باشند",
    ),
    "layer_key_invalid": (
        "{key}: a key is small Latin letters, digits and underscores and begins with a letter",
        "{key}: کلید از حروف کوچک لاتین، رقم و زیرخط است و با حرف آغاز می‌شود",
    ),
    "scene_key_invalid": (
        "No scene key can be made of this comp's name ({key})",
        "از نام این کامپ کلید صحنه ساخته نمی‌شود ({key})",
    ),
    "scene_key_collision": (
        "The comps {other} and this one both make the scene {key}",
        "کامپ {other} و این کامپ هر دو صحنه‌ی {key} می‌شوند",
    ),
    "comp_name_twice": (
        "Two comps have this name: edits could not say which",
        "دو کامپ این نام را دارند: معلوم نیست ویرایش برای کدام است",
    ),
    "content_key_collision": (
        "{key} is a data layer here and an editable one in {other}",
        "{key} اینجا لایه‌ی داده است و در {other} لایه‌ی ویرایشی",
    ),
    "layer_kind_mismatch": (
        "The layer of {key} is a {kind} layer, which its name does not say",
        "لایه‌ی {key} از نوع {kind} است که با نامش سازگار نیست",
    ),
    "data_not_text": (
        "Only text layers hold data; this one is left out",
        "تنها لایه‌ی متنی داده نگه می‌دارد؛ این لایه کنار گذاشته شد",
    ),
    "share_comp_twice": ("Two comps are called frshare", "دو کامپ frshare نام دارند"),
    "color_key_invalid": (
        "{key}: a colour's key is small Latin letters, digits and underscores",
        "{key}: کلید رنگ از حروف کوچک لاتین، رقم و زیرخط است",
    ),
    "color_key_twice": ("Two layers are called {key}", "دو لایه {key} نام دارند"),
    "color_invalid": (
        "Neither four numbers RGBA nor one integer from 0 to 3: {text}",
        "نه چهار عدد RGBA است و نه عدد صحیحی از ۰ تا ۳: {text}",
    ),
    "color_unknown": (
        "frshare has no colour {key}",
        "در frshare رنگ {key} نیست",
    ),
    "scenes_overlap": (
        "Scenes play at the same time; each was given an equal share of the length",
        "صحنه‌ها هم‌زمان پخش می‌شوند؛ به هر یک سهم برابری از مدت داده شد",
    ),
    "footage_missing": (
        "The project refers to this file and the bundle does not hold it",
        "پروژه به این پرونده ارجاع می‌دهد ولی در بسته نیست",
    ),
    "sound_varies": (
        "Its level or speed changes; it is heard at the level it begins with, at normal speed",
        "بلندی یا سرعتش تغییر می‌کند؛ با بلندیِ آغازش و سرعت عادی شنیده می‌شود",
    ),
    "sound_of_video": (
        "The sound of video footage is not heard; a sound file in a layer of its own is",
        "صدای فیلم شنیده نمی‌شود؛ پرونده‌ی صدا در لایه‌ای جدا شنیده می‌شود",
    ),
    "sound_outside": (
        "It is in no scene's comp and is not heard: scenes of this mode are put in any order",
        "در کامپ هیچ صحنه‌ای نیست و شنیده نمی‌شود: صحنه‌های این حالت به هر ترتیبی می‌آیند",
    ),
    "sounds_too_many": (
        "More than {most} sounds; the first ones are heard",
        "بیش از {most} صدا هست؛ نخستین‌ها شنیده می‌شوند",
    ),
    "text_driven": (
        "An expression drives this text; the customer's words may not show",
        "اکسپرشنی این متن را تعیین می‌کند؛ شاید متن مشتری دیده نشود",
    ),
}


def note(code: str, place: str, /, **params: object) -> ScanNote:
    """Return a finding with its words filled in. Raises KeyError for a code that has none."""
    english, persian = MESSAGES[code]
    return ScanNote(
        code=code,
        place=place,
        message_en=english.format(**params),
        message_fa=persian.format(**params),
    )
