"""The one place where the HTTP layer meets Litestar: the app's arguments and its outer layers.

``app.py`` composes: ``app = Litestar(route_handlers, **http_arguments(settings), ...)`` and then
``install(app, settings)``. Owns no route but the documentation viewer's.
"""

from typing import TypedDict

from litestar.openapi.config import OpenAPIConfig
from litestar.types import ExceptionHandlersMap, TypeEncodersMap

from flatrender.http.body import ApiRequest


class HttpArguments(TypedDict):
    """Keyword arguments for ``Litestar``; ``route_handlers`` are to be joined with the app's."""

    exception_handlers: ExceptionHandlersMap
    request_class: type[ApiRequest]
    request_max_body_size: int
    multipart_form_part_limit: int
    openapi_config: OpenAPIConfig | None
    type_encoders: TypeEncodersMap
    debug: bool
