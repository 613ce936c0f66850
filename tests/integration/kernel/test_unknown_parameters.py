"""A query parameter that a route does not know is an error, never ignored."""

import pytest

from flatrender.testing.platform import Platform


@pytest.mark.parametrize(
    ("path", "names"),
    [
        ("/v1/templates?ctegory=story", ["?ctegory"]),
        ("/v1/templates?b=1&a=&page_size=1", ["?a", "?b"]),
        ("/v1/templates?PAGE_SIZE=1", ["?PAGE_SIZE"]),
        ("/v1/files?page%5Fsise=2", ["?page_sise"]),
        ("/v1/me?x", ["?x"]),
    ],
)
async def test_every_unknown_name_is_told(platform: Platform, path: str, names: list[str]) -> None:
    person = await platform.person()
    answer = await platform.client.get(path, headers=person.headers)
    assert answer.status_code == 400, answer.text
    assert answer.json()["code"] == "unknown_parameter"
    assert [e["pointer"] for e in answer.json()["errors"]] == names
    assert {e["code"] for e in answer.json()["errors"]} == {"unknown_parameter"}


async def test_a_change_with_an_unknown_parameter_changes_nothing(platform: Platform) -> None:
    person = await platform.person()
    answer = await platform.client.patch(
        "/v1/me?dry_run=1", json={"display_name": "Other"}, headers=person.headers
    )
    assert (answer.status_code, answer.json()["code"]) == (400, "unknown_parameter")
    me = await platform.client.get("/v1/me", headers=person.headers)
    assert me.json()["display_name"] == "Test Person"


@pytest.mark.parametrize(
    "path",
    ["/v1/templates?page_size=1", "/v1/files?page_size=1", "/v1/notifications?unread=true"],
)
async def test_known_ones_pass(platform: Platform, path: str) -> None:
    """Also those that belong to a dependency (pages) or have another name in Python."""
    person = await platform.person()
    answer = await platform.client.get(path, headers=person.headers)
    assert answer.status_code == 200, answer.text


async def test_a_stranger_learns_nothing_of_parameters(platform: Platform) -> None:
    answer = await platform.client.get("/v1/me?x=1")
    assert answer.status_code == 401


async def test_too_many_are_not_read(platform: Platform) -> None:
    answer = await platform.client.get("/v1/templates?" + "a&" * 1_000)
    assert (answer.status_code, answer.json()["code"]) == (400, "unknown_parameter")


async def test_health_takes_what_probes_send(platform: Platform) -> None:
    answer = await platform.client.get("/health/live?from=balancer")
    assert answer.status_code == 200
