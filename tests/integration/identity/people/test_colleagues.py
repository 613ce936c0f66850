"""What a moderator's permissions never reach: administrators, peers, and what is above them."""

import csv
import io
from typing import Any
from uuid import UUID, uuid4

import pytest

from flatrender.testing.platform import PASSWORD, Person, Platform

ENTRY = {"tags": ["VIP"], "note": "<p>Late.</p>", "pipeline_status": "Contacted"}
INVITATIONS = "/v1/admin/invitations"
HELD = ["people.read", "people.crm", "people.export", "members.manage"]


class Office:
    """A tenant with an administrator and a moderator who holds ``HELD``."""

    def __init__(self, platform: Platform, key: str, admin: Person, moderator: Person) -> None:
        self.platform = platform
        self.key = key
        self.admin = admin
        self.moderator = moderator

    async def call(self, who: Person, method: str, path: str, **more: Any) -> Any:
        """Make a call."""
        headers = {**who.headers, **more.pop("headers", {})}
        return await self.platform.client.request(method, path, headers=headers, **more)

    async def invite(self, who: Person, email: str, role: str) -> Any:
        """Invite an address."""
        return await self.call(who, "POST", INVITATIONS, json={"email": email, "role": role})

    async def accept(self, token: str) -> Any:
        """Accept an invitation with a new account."""
        return await self.platform.client.post(
            "/v1/auth/invitations/accept",
            json={"token": token, "password": f"{PASSWORD}-new", "display_name": "Guest"},
        )


@pytest.fixture
async def office(platform: Platform) -> Office:
    _tenant, key = await platform.tenant()
    admin = await platform.admin(tenant_key=key)
    moderator = await platform.staff("moderator", tenant_key=key)
    made = Office(platform, key, admin, moderator)
    held = {"permissions": HELD, "reason": "for the test"}
    changed = await made.call(admin, "PUT", "/v1/admin/roles/moderator", json=held)
    assert changed.status_code == 200, changed.text
    return made


async def test_notes_about_colleagues_are_for_administrators(office: Office) -> None:
    peer = await office.platform.staff("moderator", tenant_key=office.key)
    written = await office.call(
        office.admin,
        "PUT",
        f"/v1/users/{office.moderator.id}/crm",
        json=ENTRY,
        headers={"If-Match": '"v0"'},
    )
    assert written.status_code == 200, written.text
    for whom in (office.admin, peer, office.moderator):
        path = f"/v1/users/{whom.id}/crm"
        read = await office.call(office.moderator, "GET", path)
        assert (read.status_code, read.json()["code"]) == (403, "out_of_reach")
        tag = {"If-Match": '"v1"' if whom is office.moderator else '"v0"'}
        refused = await office.call(office.moderator, "PUT", path, json=ENTRY, headers=tag)
        assert (refused.status_code, refused.json()["code"]) == (403, "out_of_reach")
    own = await office.call(office.moderator, "GET", f"/v1/users/{office.moderator.id}")
    assert (own.status_code, own.json()["crm"]) == (200, None)
    customer = await office.platform.person(tenant_key=office.key)
    for whom, status in ((customer.id, 200), (uuid4(), 404)):
        answer = await office.call(office.moderator, "GET", f"/v1/users/{whom}/crm")
        assert answer.status_code == status


async def test_the_list_holds_no_colleague_for_who_may_not_see_staff(office: Office) -> None:
    customer = await office.platform.person(tenant_key=office.key)

    async def listed(who: Person, **query: str) -> set[UUID]:
        answer = await office.call(who, "GET", "/v1/users", params=query)
        assert answer.status_code == 200, answer.text
        return {UUID(line["id"]) for line in answer.json()["data"]}

    assert await listed(office.moderator) == {customer.id, office.moderator.id}
    for query in ({"role": "admin"}, {"q": office.admin.email}):
        assert await listed(office.moderator, **query) == set()
    file = await office.call(office.moderator, "GET", "/v1/users/export")
    rows = list(csv.DictReader(io.StringIO(file.text.lstrip("\ufeff"))))
    assert {UUID(row["id"]) for row in rows} == {customer.id, office.moderator.id}
    everybody = {customer.id, office.moderator.id, office.admin.id}
    assert await listed(office.admin) == everybody
    seen = {"permissions": [*HELD, "members.read"], "reason": "may see them"}
    await office.call(office.admin, "PUT", "/v1/admin/roles/moderator", json=seen)
    assert await listed(office.moderator) == everybody


async def test_a_moderator_leaves_invitations_above_them_alone(office: Office) -> None:
    made = await office.invite(office.admin, f"i-{uuid4().hex}@example.com", "admin")
    path = f"{INVITATIONS}/{made.json()['id']}"
    for method, url in (("POST", f"{path}/resend"), ("DELETE", path)):
        refused = await office.call(office.moderator, method, url)
        assert (refused.status_code, refused.json()["code"]) == (403, "out_of_reach")
    assert (await office.call(office.admin, "POST", f"{path}/resend")).status_code == 200
    peers = await office.invite(office.moderator, f"i-{uuid4().hex}@example.com", "moderator")
    assert peers.status_code == 201, peers.text
    own = f"{INVITATIONS}/{peers.json()['id']}"
    assert (await office.call(office.moderator, "POST", f"{own}/resend")).status_code == 200
    # No way to have an administrator step down by a link.
    down = await office.invite(office.moderator, office.admin.email, "moderator")
    assert (down.status_code, down.json()["code"]) == (409, "already_member")


@pytest.mark.parametrize("act", ["demote", "ban"])
async def test_invitations_end_with_the_powers_of_who_sent_them(
    platform: Platform, office: Office, post: Any, act: str
) -> None:
    rogue = await platform.admin(tenant_key=office.key)
    email = f"i-{uuid4().hex}@example.com"
    made = await office.invite(rogue, email, "admin")
    assert made.status_code == 201, made.text
    if act == "demote":
        change = {"role": "user", "reason": "left the team"}
        path = f"/v1/admin/members/{rogue.id}/role"
        done = await office.call(office.admin, "PUT", path, json=change)
        assert done.status_code == 204, done.text
    else:  # as the operator's command line does it
        await platform.sql("UPDATE identity.users SET status = 'Banned' WHERE id = $1", rogue.id)
    refused = await office.accept(await post.token(email, "invitation"))
    assert (refused.status_code, refused.json()["code"]) == (401, "invalid_link")
    found = await platform.sql("SELECT FROM identity.users WHERE email_key = $1", email)
    assert found == []
    # A colleague who means it sends it again, in their own name.
    again = await office.call(office.admin, "POST", f"{INVITATIONS}/{made.json()['id']}/resend")
    assert again.status_code == 200, again.text
    assert again.json()["invited_by"] == str(office.admin.id)
    accepted = await office.accept(await post.token(email, "invitation", number=2))
    assert accepted.status_code == 204, accepted.text
