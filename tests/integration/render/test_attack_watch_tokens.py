"""A watch token is a credential too: it dies with the session that asked for it."""

from uuid import uuid4

from flatrender.contracts.identity import TokenIssuer
from flatrender.testing.platform import Platform


async def test_a_watch_token_dies_with_its_session(platform: Platform) -> None:
    person = await platform.person()
    rows = await platform.sql("SELECT id FROM identity.sessions WHERE user_id = $1", person.id)
    issuer = platform.runtime.port(TokenIssuer)
    assert issuer is not None
    job = uuid4()
    token = await issuer.watch(
        tenant_id=person.tenant_id, user_id=person.id, job_id=job, seconds=60,
        session_id=rows[0]["id"],
    )  # fmt: skip
    other = f"/v1/renders/{uuid4()}/stream"
    before = await platform.client.get(other, params={"token": token})
    assert before.status_code == 404  # a token that holds, for another job
    await platform.client.post("/v1/auth/logout", headers=person.headers)
    after = await platform.client.get(other, params={"token": token})
    assert after.status_code == 401, after.text
