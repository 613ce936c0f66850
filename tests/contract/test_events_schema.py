"""The published event catalogue is made of the Structs that are sent."""

from flatrender.events.published import asyncapi
from flatrender.plugin import discover


def test_every_event_of_every_context_is_published() -> None:
    installed = discover()
    document = asyncapi(installed)
    emitted = {e.event_type for p in installed.values() for e in p.manifest.emits}
    assert {channel["address"] for channel in document["channels"].values()} == emitted
    assert document["asyncapi"].startswith("3.")
    for name, message in document["components"]["messages"].items():
        reference = message["payload"]["allOf"][1]["properties"]["data"]["$ref"]
        assert reference.rsplit("/", 1)[-1] in document["components"]["schemas"], name
