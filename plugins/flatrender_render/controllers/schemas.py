"""Published contracts of the farm: /schemas."""

from functools import cache
from typing import Any

import msgspec
from litestar import Controller, Response, get
from litestar.openapi.datastructures import ResponseSpec

from flatrender_render.batch_stream_schema import batch_stream_schema
from flatrender_render.node_schema import node_api_schema
from flatrender_render.stream_schema import failure_rules_schema, render_stream_schema

_MEDIA = "application/schema+json"
_SCHEMA = {
    200: ResponseSpec(
        dict[str, Any], generate_examples=False, description="The schema", media_type=_MEDIA
    )
}


class SchemaController(Controller):
    """JSON Schemas of what does not stand in the OpenAPI document."""

    path = "/schemas"
    tags = ("render",)
    opt = {"auth": "public"}  # noqa: RUF012 - the framework's declaration

    @get(
        "/render-stream.json",
        operation_id="get_render_stream_schema",
        summary="Messages of the live stream",
        media_type=_MEDIA,
        responses=_SCHEMA,
        sync_to_thread=False,
    )
    def render_stream(self) -> Response[bytes]:
        """Return the schema of WebSocket messages and server-sent events, with examples."""
        return _answer(_stream())

    @get(
        "/batch-stream.json",
        operation_id="get_batch_stream_schema",
        summary="Messages of a batch's live stream",
        media_type=_MEDIA,
        responses=_SCHEMA,
        sync_to_thread=False,
    )
    def batch_stream(self) -> Response[bytes]:
        """Return the schema of a batch's messages, with examples."""
        return _answer(_batch_stream())

    @get(
        "/failure-rules.json",
        operation_id="get_failure_rules_schema",
        summary="Failure rules",
        media_type=_MEDIA,
        responses=_SCHEMA,
        sync_to_thread=False,
    )
    def failure_rules(self) -> Response[bytes]:
        """Return the schema of the farm's failure rules; the built-in set is its example."""
        return _answer(_rules())

    @get(
        "/node-api.json",
        operation_id="get_node_api_schema",
        summary="The API of render nodes outside",
        media_type=_MEDIA,
        responses=_SCHEMA,
        sync_to_thread=False,
    )
    def node_api(self) -> Response[bytes]:
        """Return the schema of what a node and the farm say to each other, with examples."""
        return _answer(_node_api())


@cache
def _stream() -> bytes:
    return _encoded(render_stream_schema())


@cache
def _batch_stream() -> bytes:
    return _encoded(batch_stream_schema())


@cache
def _rules() -> bytes:
    return _encoded(failure_rules_schema())


@cache
def _node_api() -> bytes:
    return _encoded(node_api_schema())


def _encoded(document: dict[str, Any]) -> bytes:
    return msgspec.json.format(msgspec.json.encode(document), indent=2)


def _answer(data: bytes) -> Response[bytes]:
    return Response(data, media_type=_MEDIA, headers={"cache-control": "public, max-age=3600"})
