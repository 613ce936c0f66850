"""Studio's refusals. Codes are part of the API."""

from flatrender.errors import Conflict, Invalid


class FixedStructure(Conflict):
    """Only a Flexible template's scenes can be added, removed or reordered."""

    code = "fixed_structure"
    title_fa = "چیدمان صحنه‌های این قالب ثابت است"
    title_en = "The scenes of this template are fixed"


class SceneNotRepeatable(Conflict):
    """The scene may not stand in the video once more."""

    code = "scene_not_repeatable"
    title_fa = "این صحنه بیش از این تکرار نمی‌شود"
    title_en = "This scene cannot be repeated any more"
    detail_fa = "حداکثر {limit} بار"
    detail_en = "At most {limit} times."


class SceneNotRemovable(Conflict):
    """The template needs this scene, or it is the last one."""

    code = "scene_not_removable"
    title_fa = "این صحنه حذف‌شدنی نیست"
    title_en = "This scene cannot be removed"


class TooManyScenes(Conflict):
    """The video has as many scenes as a video may have."""

    code = "too_many_scenes"
    title_fa = "تعداد صحنه‌ها به سقف رسیده است"
    title_en = "The video has as many scenes as it may have"
    detail_fa = "حداکثر {limit} صحنه"
    detail_en = "At most {limit} scenes."


class ProjectIncomplete(Invalid):
    """The project cannot be rendered yet; ``errors`` names each slot."""

    code = "project_incomplete"
    title_fa = "پروژه هنوز کامل نیست"
    title_en = "The project is not complete yet"
