"""OpenAPI 3.1: how the API describes itself, the check that holds it to that, and its viewer."""

from flatrender.http.openapi.check import check_openapi
from flatrender.http.openapi.config import openapi_config
from flatrender.http.openapi.document import openapi_document

__all__ = ["check_openapi", "openapi_config", "openapi_document"]
