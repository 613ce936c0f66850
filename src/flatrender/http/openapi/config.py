"""The OpenAPI configuration given to Litestar: info, tags, security schemes, operation ids.

Operation ids are written by hand on every handler; one that is missing gets a name that
:func:`check.check_openapi` refuses. Litestar's own viewers load from CDNs and answer unknown
paths with HTML, so its router registers nothing here; ours is in ``viewer``.
"""

from collections.abc import Sequence
from importlib.metadata import PackageNotFoundError, version
from typing import Any

from litestar import Router
from litestar.handlers import HTTPRouteHandler
from litestar.openapi.config import OpenAPIConfig
from litestar.openapi.spec import Components, Contact, SecurityScheme, Server, Tag
from litestar.types import Method

from flatrender.http.settings import HttpSettings

#: Starts the id of an operation that nobody named; the contract test refuses it.
UNNAMED = "unnamed__"

BEARER = "bearer"
SESSION_COOKIE = "session_cookie"
CSRF_TOKEN = "csrf_token"  # noqa: S105 - the scheme's name
API_KEY = "api_key"
API_SIGNATURE = "api_signature"
NODE_SIGNATURE = "node_signature"

_DESCRIPTION = """\
Videos made from templates: pick one, fill in text, pictures, colours and music, render, download.

**Conventions.** JSON in snake_case; ids are UUIDs; times are ISO 8601 with a zone; durations are
seconds; money is an integer in minor units with its currency. Lists are `{data, meta}`, by `page`
and `page_size` or by an opaque `cursor`. Every refusal is `application/problem+json` (RFC 9457)
with a stable `code`, a `request_id` and, for refused fields, `errors[]` with JSON pointers; titles
are Persian or English by `Accept-Language`. A `POST` that makes something or costs money takes an
`Idempotency-Key`: the same key and body get the first answer again for 24 hours.
"""


_KERNEL_TAGS = (Tag(name="Health", description="Whether this process lives and can serve."),)


class _SilentRouter(Router):
    """A router that stays empty: Litestar would fill it with its own viewers."""

    def register(self, value: Any) -> list[Any]:
        """Take a handler and leave it."""
        del value
        return []


def openapi_config(
    settings: HttpSettings, *, tags: Sequence[Tag] = (), title: str = "FlatRender API"
) -> OpenAPIConfig:
    """Return the configuration; ``tags`` are the contexts', each with a description."""
    return OpenAPIConfig(
        title=title,
        version=_version(),
        summary="Multi-tenant, Persian-first template video.",
        description=_DESCRIPTION,
        contact=Contact(name="FlatRender"),
        servers=[
            # The viewer may only talk to the host it came from, so that one stands first.
            Server(url="/", description="This server"),
            Server(url=settings.public_url, description="The public address"),
        ],
        tags=[*tags, *_KERNEL_TAGS],
        components=Components(security_schemes=dict(_schemes())),
        operation_id_creator=_unnamed,
        use_handler_docstrings=True,
        create_examples=False,
        openapi_router=_SilentRouter(path="/openapi-viewers", route_handlers=[]),
    )


def _schemes() -> dict[str, SecurityScheme]:
    return {
        BEARER: SecurityScheme(
            type="http",
            scheme="bearer",
            bearer_format="JWT",
            description="Access token of a signed-in person, at most 15 minutes old.",
        ),
        SESSION_COOKIE: SecurityScheme(
            type="apiKey",
            name="__Host-fr_access",
            security_scheme_in="cookie",
            description=(
                "The same token of a session that was opened with `mode` `browser`; only from "
                "the API's own pages and the configured origins. Plain-HTTP development calls "
                "it `fr_access`."
            ),
        ),
        CSRF_TOKEN: SecurityScheme(
            type="apiKey",
            name="X-CSRF-Token",
            security_scheme_in="header",
            description=(
                "Beside the cookie for whatever is not GET or HEAD: the `csrf_token` of signing "
                "in or of `/v1/auth/csrf`."
            ),
        ),
        API_KEY: SecurityScheme(
            type="apiKey",
            name="X-API-Key",
            security_scheme_in="header",
            description="A reseller's key, `id.secret`. Never in a query.",
        ),
        API_SIGNATURE: SecurityScheme(
            type="apiKey",
            name="X-Signature",
            security_scheme_in="header",
            description=(
                "For keys that demand it: hex HMAC-SHA256 with the signing secret over "
                "`timestamp.method.path.sha256(body)`, the timestamp in `X-Timestamp`, within "
                "5 minutes, never twice."
            ),
        ),
        NODE_SIGNATURE: SecurityScheme(
            type="apiKey",
            name="X-Node-Signature",
            security_scheme_in="header",
            description="The same signature by a render node with its own secret.",
        ),
    }


def _unnamed(handler: HTTPRouteHandler, method: Method, path: Sequence[Any]) -> str:
    parts = [str(getattr(part, "name", part)) for part in path]
    verb = str(getattr(method, "value", method)).lower()
    return UNNAMED + "_".join([verb, *parts, handler.handler_name])


def _version() -> str:
    try:
        return version("flatrender")
    except PackageNotFoundError:
        return "0"
