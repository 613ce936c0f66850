"""A tenant's sign-in providers: /v1/admin/oauth."""

import msgspec
from litestar import Controller, get, post, put
from litestar.di import NamedDependency
from litestar.params import FromPath, JSONBody

from flatrender.errors import Forbidden, NotFound
from flatrender.http.pages import Page, PageParams
from flatrender.http.problems import problem_responses
from flatrender.security.errors import RateLimited, StepUpRequired
from flatrender.security.guards import requires_role, requires_step_up
from flatrender.security.limits import define_limit
from flatrender.security.principal import Principal
from flatrender_identity.oidc import NAMES
from flatrender_identity.schemas_oauth import ProviderAnswer, ProviderBody
from flatrender_identity.services.oauth_providers import (
    ConnectionTest,
    Provider,
    ProviderService,
    Wanted,
)

#: By address of the caller: every test calls the provider.
_TEST = define_limit("oauth_test", 30, 600.0).name


class AdminOauthController(Controller):
    """Providers of the caller's tenant."""

    path = "/v1/admin/oauth"
    tags = ("identity",)
    guards = (requires_role("admin"),)

    @get("/", operation_id="list_oauth_providers", summary="Sign-in providers")
    async def listed(
        self,
        principal: NamedDependency[Principal],
        page_params: NamedDependency[PageParams],
        oauth_providers: NamedDependency[ProviderService],
    ) -> Page[ProviderAnswer]:
        """Return every provider that was set up, on or off."""
        found = await oauth_providers.page(principal.tenant_id, page_params, enabled_only=False)
        return Page(data=[_shown(oauth_providers, one) for one in found.data], meta=found.meta)

    @get(
        "/{provider:str}",
        operation_id="get_oauth_provider",
        summary="A sign-in provider",
        responses=problem_responses(NotFound),
    )
    async def read(
        self,
        provider: FromPath[str],
        principal: NamedDependency[Principal],
        oauth_providers: NamedDependency[ProviderService],
    ) -> ProviderAnswer:
        """Return one provider, its secret masked."""
        return _shown(oauth_providers, await oauth_providers.one(principal.tenant_id, provider))

    @put(
        "/{provider:str}",
        operation_id="save_oauth_provider",
        summary="Set up a sign-in provider",
        guards=[requires_step_up()],
        responses=problem_responses(Forbidden, StepUpRequired),
    )
    async def save(
        self,
        provider: FromPath[str],
        data: JSONBody[ProviderBody],
        principal: NamedDependency[Principal],
        oauth_providers: NamedDependency[ProviderService],
    ) -> ProviderAnswer:
        """Add or replace a provider. Wants a second factor of the last 15 minutes and a reason,
        which the audit log keeps. Another issuer wants the secret anew."""
        names = Wanted.__struct_fields__
        name_fa, name_en = NAMES.get(data.driver, (provider, provider))
        values = {name: getattr(data, name) for name in names} | {
            "client_secret": data.client_secret or "",
            "scopes": list(data.scopes),
            "name_fa": data.name_fa or name_fa,
            "name_en": data.name_en or name_en,
        }
        saved = await oauth_providers.save(
            principal, provider, msgspec.convert(values, Wanted), reason=data.reason
        )
        return _shown(oauth_providers, saved)

    @post(
        "/{provider:str}/test",
        status_code=200,
        operation_id="test_oauth_provider",
        summary="Test the connection to a provider",
        guards=[requires_step_up()],
        opt={"limit": _TEST},
        responses=problem_responses(NotFound, Forbidden, StepUpRequired, RateLimited),
    )
    async def test(
        self,
        provider: FromPath[str],
        principal: NamedDependency[Principal],
        oauth_providers: NamedDependency[ProviderService],
    ) -> ConnectionTest:
        """Read the provider's discovery document and keys, and ask whether it knows our id and
        secret; nobody signs in."""
        return await oauth_providers.test(principal, provider)


def _shown(providers: ProviderService, one: Provider) -> ProviderAnswer:
    """Return a provider as it may be shown."""
    names = set(ProviderAnswer.__struct_fields__) - {"client_secret", "redirect_uri"}
    return ProviderAnswer(
        client_secret=providers.masked(one),
        redirect_uri=providers.redirect_uri(one.provider),
        **{name: getattr(one, name) for name in names},
    )
