"""One account elsewhere that many people link at once belongs to one of them."""

import asyncio
import sys
from collections import Counter
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[3] / "emulators"))

from openid_provider import someone  # the path is above

from flatrender.testing.platform import PASSWORD

PEOPLE = 10


async def test_ten_people_link_one_google_account_fifty_times(deployment: Any) -> None:
    platform = deployment.platform
    person = deployment.google.person = someone()
    people = [await platform.person() for _ in range(PEOPLE)]
    codes = []
    for one in people:
        for _ in range(5):
            begun = await platform.client.post(
                "/v1/me/identities",
                json={"provider": "google", "current_password": PASSWORD},
                headers=one.headers,
            )
            assert begun.status_code == 202, begun.text
            async with deployment.browser() as browser:
                started = await browser.get(begun.json()["start_url"])
                back = await browser.consent(started.headers["location"])
                codes.append((one, (await browser.back(back))["link_code"]))
    answers = await asyncio.gather(
        *(
            platform.client.post(
                "/v1/me/identities/complete", json={"code": code}, headers=one.headers
            )
            for one, code in codes
        )
    )
    rows = await platform.sql(
        "SELECT user_id FROM identity.oauth_identities WHERE subject = $1", person["sub"]
    )
    assert len(rows) == 1
    owner = rows[0]["user_id"]
    by_person = {
        one.id: Counter(
            answer.status_code
            for answer, (who, _code) in zip(answers, codes, strict=True)
            if who.id == one.id
        )
        for one in people
    }
    assert by_person.pop(owner) == {204: 5}  # linked already is linked
    assert all(told == {409: 5} for told in by_person.values())
    noted = await platform.sql(
        "SELECT count(*) AS n FROM identity.security_events WHERE kind = 'identity_linked' "
        "AND user_id = ANY ($1::uuid[])",
        [one.id for one in people],
    )
    assert noted[0]["n"] == 1
