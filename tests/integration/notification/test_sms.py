"""SMS through a real provider's protocol: what is sent, tried again, and never told."""

import re
import secrets
from typing import Any

from flatrender.testing.platform import PASSWORD, Platform

KEY_IN_PATH = "sms-key%2Fof%20a%20test"


async def _register(posted: Platform) -> str:
    mobile = f"+98935{secrets.randbelow(10**7):07d}"
    answer = await posted.client.post(
        "/v1/auth/register", json={"mobile": mobile, "password": PASSWORD, "locale": "en"}
    )
    assert answer.status_code == 202, answer.text
    return mobile


async def _ended(posted: Platform, mobile: str, state: str) -> Any:
    async def look() -> Any:
        rows = await posted.sql(
            "SELECT * FROM notification.deliveries WHERE recipient = $1", mobile
        )
        return rows[0] if rows and rows[0]["state"] == state else None

    return await posted.until(look)


async def test_a_code_that_came_by_sms_proves_the_mobile(
    posted: Platform, sms_provider: Any
) -> None:
    mobile = await _register(posted)
    row = await _ended(posted, mobile, "Sent")
    assert (row["channel"], row["provider"], row["provider_message_id"]) == (
        "SMS",
        "sms",
        "8792343",
    )
    assert row["sealed_params"] == ""  # what was sent is kept no longer
    (told,) = sms_provider.to(mobile)
    assert told["sender"] == "10004346"
    code = re.search(r"\b[0-9]{6}\b", told["message"])
    assert code is not None, told
    done = await posted.client.post(
        "/v1/auth/verification/complete", json={"identifier": mobile, "code": code[0]}
    )
    assert done.status_code == 204, done.text
    assert all(path == f"/v1/{KEY_IN_PATH}/sms/send.json" for path, _ in sms_provider.calls)


async def test_what_fails_for_now_is_tried_again_and_what_fails_for_good_is_not(
    posted: Platform, sms_provider: Any
) -> None:
    mobile = f"+98936{secrets.randbelow(10**7):07d}"
    sms_provider.answers[mobile] = [503]
    body = {"mobile": mobile, "password": PASSWORD}
    assert (await posted.client.post("/v1/auth/register", json=body)).status_code == 202
    row = await _ended(posted, mobile, "Sent")
    assert row["attempts"] == 2
    refused = f"+98937{secrets.randbelow(10**7):07d}"
    sms_provider.answers[refused] = [403]
    body = {"mobile": refused, "password": PASSWORD}
    assert (await posted.client.post("/v1/auth/register", json=body)).status_code == 202
    row = await _ended(posted, refused, "Failed")
    assert (row["attempts"], row["error_message"]) == (1, "the provider answered 403")
    assert "sms-key" not in str(dict(row))


async def test_without_an_account_a_delivery_says_so(platform: Platform) -> None:
    mobile = await _register(platform)
    row = await _ended(platform, mobile, "Skipped")
    assert row["skip_reason"] == "no SMS provider is configured"
