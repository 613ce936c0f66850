"""Hooks of the fuzzing run (``SCHEMATHESIS_HOOKS``): who calls, from where, and about what.

``FLATRENDER_FUZZ_PEOPLE`` is a JSON list of people: the token of each, and ids of things that each
can see, by path parameter. Every call is some person's, from an address of its own, so that limits
are not met; every other one names things that are there, the rest what was made up.
"""

import ipaddress
import itertools
import json
import os
from typing import Any

import schemathesis

_PEOPLE = json.loads(os.environ.get("FLATRENDER_FUZZ_PEOPLE", "[]"))
_calls = itertools.count()


@schemathesis.hook
def before_call(_context: Any, case: Any, _kwargs: Any) -> None:
    """Make the call a person's."""
    number = next(_calls)
    person = _PEOPLE[number % len(_PEOPLE)]
    case.headers["Authorization"] = f"Bearer {person['token']}"
    case.headers["X-Forwarded-For"] = str(ipaddress.IPv4Address((10 << 24) + number % (1 << 24)))
    if case.path_parameters and number // len(_PEOPLE) % 2 == 0:
        for name in case.path_parameters.keys() & person["known"].keys():
            case.path_parameters[name] = person["known"][name]
