"""What staff may do with people, as permissions of their own; and whose role reaches whom. Pure."""

from flatrender.security.permissions import define_permission
from flatrender.security.principal import Role

PEOPLE_READ = define_permission(
    "people.read",
    fa="دیدن فهرست کاربران و پروندهٔ هر یک",
    en="See the list of users and one user's whole picture",
    moderators=True,
)
PEOPLE_EXPORT = define_permission(
    "people.export", fa="گرفتن فهرست کاربران به شکل فایل", en="Take the list of users as a file"
)
PEOPLE_CRM = define_permission(
    "people.crm",
    fa="دیدن و نوشتن برچسب، یادداشت و وضعیت مشتری",
    en="Read and write a customer's tags, note and pipeline status",
    moderators=True,
)
PEOPLE_BAN = define_permission(
    "people.ban",
    fa="مسدود کردن کاربران و برداشتن آن",
    en="Ban users and lift bans",
    moderators=True,
)
PEOPLE_PASSWORD = define_permission(
    "people.password",
    fa="فرستادن پیوند بازیابی و گذاشتن گذرواژهٔ موقت",
    en="Send a link to set a new password, or set a temporary one",
)
PEOPLE_MFA = define_permission(
    "people.mfa",
    fa="برداشتن عامل‌های دوم کسی که به آن‌ها دسترسی ندارد",
    en="Reset the second factors of somebody who lost them",
)
MEMBERS_READ = define_permission(
    "members.read", fa="دیدن مدیران، ناظران و دعوت‌نامه‌ها", en="See staff and invitations"
)
MEMBERS_MANAGE = define_permission(
    "members.manage",
    fa="دعوت کردن و دادن نقش، تا نقش خود",
    en="Invite people and give roles, up to one's own",
)
AUDIT_READ = define_permission(
    "audit.read", fa="دیدن سیاههٔ رویدادهای مدیریتی", en="See what staff did"
)
AUDIT_EXPORT = define_permission(
    "audit.export", fa="گرفتن سیاههٔ رویدادها به شکل فایل", en="Take the audit log as a file"
)
SUPPORT_ACT = define_permission(
    "support.act",
    fa="کار کردن در حساب مشتری به نام پشتیبانی",
    en="Act in a customer's account as support",
)

_RANK: dict[Role, int] = {"user": 0, "moderator": 1, "admin": 2}


def outranks(actor: Role, target: Role) -> bool:
    """True when ``actor`` may act upon somebody with ``target``: a lower role, never a peer."""
    return _RANK[actor] > _RANK[target]


def reaches(actor: Role, target: Role) -> bool:
    """True when ``actor`` may act upon the account of somebody with ``target``: administrators
    upon everybody, others upon lower roles."""
    return actor == "admin" or outranks(actor, target)


def may_change_role(actor: Role, before: Role, after: Role) -> bool:
    """True when ``actor`` may turn one role into another: nobody gives more than they have, and
    only administrators reach their peers."""
    if actor == "admin":
        return True
    return outranks(actor, before) and _RANK[after] <= _RANK[actor]
