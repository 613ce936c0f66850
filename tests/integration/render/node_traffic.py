"""What nodes outside and the farm say to each other in tests, held against the published schema."""

import json
import re
from collections import Counter

import httpx
import msgspec
from jsonschema import Draft202012Validator

from flatrender_render.node_schema import node_api_schema

_UUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")


class NodeTraffic:
    """Every exchange that was not refused: how many of each call, and what is not as published."""

    def __init__(self) -> None:
        self.said: Counter[str] = Counter()
        self.wrong: list[str] = []
        self._validator = Draft202012Validator(node_api_schema())

    def hear(self, path: str, body: msgspec.Struct | None, answer: httpx.Response) -> None:
        """Take one call and its answer."""
        if answer.status_code not in {200, 204}:
            return
        call = re.sub(r"{id}/[0-9]+(?=/)", "{id}/{epoch}", _UUID.sub("{id}", path))
        self.said[call.removeprefix("/v1/node/")] += 1
        exchange = {
            "call": call,
            "request": None if body is None else json.loads(msgspec.json.encode(body)),
            "answer": answer.json() if answer.content else None,
        }
        faults = [error.message for error in self._validator.iter_errors(exchange)]
        if faults:
            self.wrong.append(f"{exchange}: {faults[:3]}")
