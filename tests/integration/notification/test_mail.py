"""Mail through a real server: languages, escaping, no injected headers, retries, once only."""

import asyncio
from typing import Any

import msgspec
import pytest

from flatrender.contracts.notification import message_place
from flatrender.testing.platform import Platform


async def _deliveries(platform: Platform, recipient: str) -> list[Any]:
    return await platform.sql(
        "SELECT * FROM notification.deliveries WHERE recipient = $1 ORDER BY created_at", recipient
    )


async def _ended(platform: Platform, recipient: str, state: str) -> Any:
    async def look() -> Any:
        rows = await _deliveries(platform, recipient)
        return rows[0] if rows and rows[0]["state"] == state else None

    return await platform.until(look)


async def test_a_mail_is_written_in_the_persons_language(
    posted: Platform, mail_server: Any, render_fails: Any
) -> None:
    persian, english = await posted.person(), await posted.person()
    changed = await posted.client.patch("/v1/me", json={"locale": "en"}, headers=english.headers)
    assert changed.status_code == 200, changed.text
    await render_fails(posted, persian)
    await render_fails(posted, english)
    fa, en = await mail_server.arrived(persian.email), await mail_server.arrived(english.email)
    assert fa["Subject"] == "ساخت «نوروز» ناتمام ماند"
    assert en["Subject"] == "“نوروز” could not be rendered"
    assert 'dir="rtl"' in fa.get_body(("html",)).get_content()
    assert "The engine stopped" in en.get_body(("plain",)).get_content()
    assert fa["From"] == "FlatRender <hello@flatrender.example>"
    assert fa["Date"]
    row = await _ended(posted, persian.email, "Sent")
    assert row["provider_message_id"] == fa["Message-ID"]
    assert mail_server.logins
    assert set(mail_server.logins) == {"postman"}


async def test_a_mail_about_a_render_of_supports_says_so_in_both_languages(
    posted: Platform, mail_server: Any, render_fails: Any
) -> None:
    persian, english = await posted.person(), await posted.person()
    changed = await posted.client.patch("/v1/me", json={"locale": "en"}, headers=english.headers)
    assert changed.status_code == 200, changed.text
    for person, words in (
        (persian, "این کار را پشتیبانی در حساب شما آغاز کرده بود."),
        (english, "Support began this in your account."),
    ):
        await render_fails(posted, person, by_support=True)
        mail = await mail_server.arrived(person.email)
        for part in ("plain", "html"):
            assert words in mail.get_body((part,)).get_content()


async def test_names_cannot_inject_headers_or_markup(
    posted: Platform, mail_server: Any, render_fails: Any
) -> None:
    person = await posted.person()
    evil = "x\r\nBcc: spy@example.com\r\n\r\n<script>alert(1)</script> {reason_en}"
    await render_fails(posted, person, project_name=evil)
    mail = await mail_server.arrived(person.email)
    assert mail["Bcc"] is None
    assert mail["Subject"].startswith("ساخت «x Bcc: spy@example.com")
    page = mail.get_body(("html",)).get_content()
    assert "<script>" not in page
    assert "&lt;script&gt;" in page
    assert "{reason_en}" in mail["Subject"]  # a value is never a template
    assert mail_server.to("spy@example.com") == []


@pytest.mark.parametrize("recipient", ["a@example.com, spy2@example.com", "no address", "a@b@c"])
async def test_a_recipient_that_is_not_one_address_gets_nothing(
    posted: Platform, mail_server: Any, message_asked: Any, recipient: str
) -> None:
    person = await posted.person()
    await message_asked(posted, person, recipient=recipient)
    row = await _ended(posted, recipient, "Failed")
    assert "not an address" in row["error_message"]
    assert mail_server.to("spy2@example.com") == []


async def test_a_refusal_for_now_is_tried_again(
    posted: Platform, mail_server: Any, render_fails: Any
) -> None:
    person = await posted.person()
    mail_server.answers[person.email] = ["451 try later"]
    await render_fails(posted, person)
    await mail_server.arrived(person.email)
    row = await _ended(posted, person.email, "Sent")
    assert row["attempts"] == 2
    assert mail_server.attempts.count(person.email) == 2
    assert len(mail_server.to(person.email)) == 1


async def test_a_refusal_for_good_is_not(
    posted: Platform, mail_server: Any, render_fails: Any
) -> None:
    person = await posted.person()
    mail_server.answers[person.email] = ["550 no such person"]
    await render_fails(posted, person)
    row = await _ended(posted, person.email, "Failed")
    assert "550" in row["error_message"]
    assert mail_server.attempts.count(person.email) == 1
    told = await posted.sql(
        "SELECT payload->'data'->>'code' AS code FROM notification.outbox "
        "WHERE name = 'notification.failed.v1' AND payload->'data'->>'notification_id' = $1",
        str(row["notification_id"]),
    )
    assert [r["code"] for r in told] == ["mail_failed"]


async def test_without_a_server_a_delivery_says_so(platform: Platform, render_fails: Any) -> None:
    person = await platform.person()
    await render_fails(platform, person)
    row = await _ended(platform, person.email, "Skipped")
    assert row["skip_reason"] == "no mail server is configured"


async def test_workers_never_send_one_mail_twice(
    posted: Platform, mail_server: Any, message_asked: Any
) -> None:
    """Ten workers take up the same delivery at once, and again when it is sent."""
    from importlib import import_module

    module = import_module("flatrender_notification.services.deliveries")
    context = posted.runtime.plugins["notification"].context
    service = context.get(module.DeliveryService)
    person = await posted.person()
    recipient = f"once-{person.email}"
    mail_server.answers[recipient] = ["451 busy"]
    await message_asked(posted, person, recipient=recipient)
    row = await _ended(posted, recipient, "Pending")
    await posted.sql(
        "UPDATE notification.deliveries SET next_attempt_at = now() WHERE id = $1", row["id"]
    )
    order = module.Deliver(delivery_id=row["id"], tenant_id=person.tenant_id)
    await asyncio.gather(*(service.deliver(order) for _ in range(10)))
    await service.deliver(order)
    await _ended(posted, recipient, "Sent")
    assert len(mail_server.to(recipient)) == 1


async def test_what_a_dead_worker_had_claimed_is_taken_up(
    posted: Platform, mail_server: Any, message_asked: Any
) -> None:
    person = await posted.person()
    recipient = f"lost-{person.email}"
    mail_server.answers[recipient] = ["550 no"]
    await message_asked(posted, person, recipient=recipient)
    row = await _ended(posted, recipient, "Failed")
    del mail_server.answers[recipient]
    await posted.sql(
        "UPDATE notification.deliveries SET state = 'Sending', "
        "lease_until = now() - interval '1 second' WHERE id = $1",
        row["id"],
    )
    await mail_server.arrived(recipient)


async def test_security_mail_is_sent_whatever_was_chosen_and_secrets_are_sealed(
    posted: Platform, mail_server: Any, message_asked: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    from importlib import import_module

    messages = import_module("flatrender_notification.messages")
    words = messages.Words(title_fa="رمز {code}", title_en="Code {code}")
    monkeypatch.setitem(messages.MESSAGES, "test_code", words)
    person = await posted.person()
    sealed = posted.runtime.infra.encryptor.encrypt(
        msgspec.json.encode({"code": "314159"}), message_place(person.email)
    )
    await message_asked(posted, person, template="test_code", locale="en", sealed_params=sealed)
    mail = await mail_server.arrived(person.email)
    assert mail["Subject"] == "Code 314159"
    for table in ("notification.deliveries", "identity.outbox"):
        held = await posted.sql(f"SELECT count(*) FROM {table} t WHERE t::text LIKE '%314159%'")
        assert held[0][0] == 0, table
