"""Who may change the catalogue: staff with the permission and a second factor in this session.

What cannot be taken back or reaches other tenants wants that factor fresh besides (the routes'
``requires_step_up``).
"""

from flatrender.security.guards import requires_permission
from flatrender.security.permissions import define_permission

TEMPLATES = define_permission(
    "content.templates",
    fa="ساختن، تغییر و انتشار قالب‌ها",
    en="Make, change and publish templates",
    moderators=True,
)
TAXONOMY = define_permission(
    "content.taxonomy",
    fa="تغییر دسته‌ها، برچسب‌ها و قلم‌ها",
    en="Change categories, tags and fonts",
    moderators=True,
)
MUSIC = define_permission(
    "content.music", fa="افزودن و تغییر موسیقی", en="Add and change music", moderators=True
)

curates_templates = requires_permission(TEMPLATES)
curates_taxonomy = requires_permission(TAXONOMY)
curates_music = requires_permission(MUSIC)
