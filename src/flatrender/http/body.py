"""Reading JSON bodies: strictly typed, bounded in depth and numbers, with the place of a fault.

Litestar decodes a body to plain values and then converts them leniently (``"5"`` passes for 5).
:class:`ApiRequest` decodes straight into the handler's ``data`` type, strictly, and refuses what
no context should have to think about: deep nesting, NUL characters (PostgreSQL text cannot hold
them), integers beyond 64 bits. The size limit is Litestar's own ``request_max_body_size``, which
counts chunked bodies as well and can be set per route.
"""

import re
from collections.abc import Callable
from typing import Any, ClassVar

import msgspec
from litestar import Request
from litestar.handlers import BaseRouteHandler
from msgspec import Struct

from flatrender.errors import Invalid
from flatrender.http.errors import JsonTooDeep, MalformedJson, UnsupportedMediaType
from flatrender.http.validation import every_fault, field_error

DEFAULT_DEPTH = 64

_BRACKETS = bytes.maketrans(b"{}", b"[]")
_NO_BRACKETS = bytes(byte for byte in range(256) if byte not in b"[]{}")
# The closing quote is optional, so that an unterminated string is consumed once, not rescanned
# from every quote in it (quadratic time on hostile input).
_STRING = re.compile(rb'"(?:[^"\\]++|\\.)*+"?', re.DOTALL)
_NUL = re.compile(rb"(?<!\\)(?:\\\\)*+\\u0000")
_LONG_DIGITS = re.compile(rb"\d{19}")
_INTEGER = re.compile(rb"(?<![\d.eE+-])-?\d{19,}(?![\d.eE])")
_INT64 = 1 << 63


class RequestBody(Struct, forbid_unknown_fields=True, kw_only=True):
    """Base of every request body: unknown fields are refused with 422, never ignored."""


class ApiRequest(Request[Any, Any, Any]):
    """The app's request class. Handlers take ``data: JSONBody[T]``; raw bytes are ``body()``.

    Made per app by :func:`request_class`, so that limits and decoders are the app's own.
    """

    depth: ClassVar[int] = DEFAULT_DEPTH
    decoders: ClassVar[dict[int, msgspec.json.Decoder[Any]]] = {}

    async def json(self) -> Any:
        """Return the body as the handler's ``data`` type, or as plain values without one.

        Raises :class:`UnsupportedMediaType`, :class:`MalformedJson`, :class:`JsonTooDeep` and
        :class:`Invalid`.
        """
        body = await self.body()
        if not body:
            return None
        require_json(self.content_type[0])
        check_json(body, depth=self.depth)
        handler = self.route_handler
        decoder = self.decoders.get(id(handler))  # handlers live as long as their app
        if decoder is None:
            decoder = self.decoders[id(handler)] = _make_decoder(handler)
        return decode(body, decoder)


def request_class(depth: int = DEFAULT_DEPTH) -> type[ApiRequest]:
    """Return the request class of one app with its own nesting limit."""
    return type("ApiRequest", (ApiRequest,), {"depth": depth, "decoders": {}, "__slots__": ()})


def require_json(content_type: str) -> None:
    """Raise :class:`UnsupportedMediaType` unless the type is JSON.

    Browsers can send form and text bodies across origins without asking; JSON they cannot.
    """
    kind = content_type.lower()
    if kind != "application/json" and not (
        kind.startswith("application/") and kind.endswith("+json")
    ):
        raise UnsupportedMediaType(expected="application/json")


def decode(body: bytes, decoder: msgspec.json.Decoder[Any]) -> Any:
    """Decode ``body``; every fault becomes a refusal with its place."""
    try:
        return decoder.decode(body)
    except msgspec.ValidationError as error:
        faults = every_fault(error, body, decoder.type, decoder.dec_hook)
        raise Invalid(errors=faults) from error
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise MalformedJson() from error
    except RecursionError as error:
        raise JsonTooDeep(limit=DEFAULT_DEPTH) from error


def check_json(body: bytes, *, depth: int = DEFAULT_DEPTH) -> None:
    """Refuse JSON that is nested too deeply or holds what no column can store.

    Linear in the body's length. Raises :class:`JsonTooDeep` or :class:`Invalid`.
    """
    if b"\\u0000" in body and _NUL.search(body):
        raise Invalid(errors=[field_error("", "nul_character")])
    deep = body.count(b"[") + body.count(b"{") > depth
    long = _LONG_DIGITS.search(body) is not None
    if not (deep or long):
        return
    bare = _STRING.sub(b"", body)
    if long and any(not -_INT64 <= int(hit[:25]) < _INT64 for hit in _INTEGER.findall(bare)):
        raise Invalid(errors=[field_error("", "out_of_range")])
    if deep and _nesting_exceeds(bare, depth):
        raise JsonTooDeep(limit=depth)


def _nesting_exceeds(bare: bytes, depth: int) -> bool:
    """Tell whether the brackets in ``bare`` (JSON without strings) nest deeper than ``depth``.

    Each pass removes the innermost level, so what is left after ``depth`` passes was deeper. All
    passes run at memory speed; which bracket closes which is the decoder's business.
    """
    levels = bare.translate(_BRACKETS, _NO_BRACKETS)
    for _ in range(depth):
        outer = levels.replace(b"[]", b"")
        if len(outer) == len(levels):  # empty, or brackets that match nothing: not JSON at all
            return levels.count(b"[") > depth
        levels = outer
    return b"[" in levels


_PLAIN: msgspec.json.Decoder[Any] = msgspec.json.Decoder()


def _make_decoder(handler: BaseRouteHandler) -> msgspec.json.Decoder[Any]:
    field = handler.parsed_data_field
    if field is None:
        return _PLAIN
    hook: Callable[[type, Any], Any] = handler.default_deserializer
    try:
        return msgspec.json.Decoder(field.raw, dec_hook=hook)
    except TypeError:  # a type that only Litestar knows how to fill
        return _PLAIN
