"""The development page is not there unless it is asked for."""

from flatrender.testing.platform import Platform


def _bare(body: dict[str, str]) -> dict[str, str]:
    return {name: value for name, value in body.items() if name != "request_id"}


async def test_without_the_setting_the_page_is_as_missing_as_any(platform: Platform) -> None:
    missing = await platform.client.get("/v1/auth/nothing-of-the-kind")
    for name in ("page", "page/app.js", "page/Inter-Regular.ttf", "page/nothing"):
        answer = await platform.client.get(f"/v1/auth/{name}")
        assert answer.status_code == missing.status_code == 404, name
        assert _bare(answer.json()) == _bare(missing.json()), name
