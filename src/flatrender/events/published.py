"""The event catalogue as an AsyncAPI 3 document, made from the same Structs that are sent."""

from collections.abc import Mapping
from typing import Any

import msgspec

from flatrender import __version__
from flatrender.events.envelope import Envelope
from flatrender.plugin import FlatRenderPlugin


def asyncapi(plugins: Mapping[str, type[FlatRenderPlugin]]) -> dict[str, Any]:
    """Return the AsyncAPI 3.0 document of every event that installed contexts emit."""
    events = {e.event_type: e for p in plugins.values() for e in p.manifest.emits}
    schemas, components = msgspec.json.schema_components(
        [Envelope, *events.values()],
        ref_template="#/components/schemas/{name}",
        schema_hook=lambda _: {"description": "Any JSON value."},
    )
    envelope_ref, event_refs = schemas[0], dict(zip(events, schemas[1:], strict=True))
    messages: dict[str, Any] = {}
    channels: dict[str, Any] = {}
    operations: dict[str, Any] = {}
    for event_type, event in sorted(events.items()):
        key = event_type.replace(".", "_")
        messages[key] = {
            "name": event_type,
            "summary": (event.__doc__ or "").strip().splitlines()[0],
            "contentType": "application/json",
            "payload": {
                "allOf": [
                    envelope_ref,
                    {
                        "type": "object",
                        "properties": {
                            "event_type": {"const": event_type},
                            "data": event_refs[event_type],
                        },
                    },
                ]
            },
        }
        channels[key] = {
            "address": event_type,
            "messages": {key: {"$ref": f"#/components/messages/{key}"}},
        }
        operations[f"send_{key}"] = {
            "action": "send",
            "channel": {"$ref": f"#/channels/{key}"},
        }
    return {
        "asyncapi": "3.0.0",
        "info": {"title": "FlatRender events", "version": __version__},
        "defaultContentType": "application/json",
        "channels": channels,
        "operations": operations,
        "components": {"schemas": components, "messages": messages},
    }
