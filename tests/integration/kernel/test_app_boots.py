"""The app starts with every context, says that it lives, and answers strangers politely."""

from flatrender.testing.platform import Platform


async def test_health_says_ready(platform: Platform) -> None:
    live = await platform.client.get("/health/live")
    ready = await platform.client.get("/health/ready")
    assert live.status_code == 200
    assert ready.status_code == 200, ready.text


async def test_unknown_route_is_a_problem_document(platform: Platform) -> None:
    answer = await platform.client.get("/v1/nowhere")
    assert answer.status_code == 404
    assert answer.headers["content-type"].startswith("application/problem+json")
    assert answer.json()["code"] == "not_found"
