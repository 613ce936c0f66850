"""Values of the audit log: no secret gets in, and a change can be read back from its lines."""

import copy
from typing import Any

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from flatrender_identity.differences import changes
from flatrender_identity.services.audit import without_secrets

_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=8),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner, max_size=3)
    ),
    max_leaves=8,
)
_OBJECTS = st.dictionaries(st.text(max_size=4), _VALUES, max_size=4)


def test_what_has_a_secrets_name_or_shape_is_masked() -> None:
    told = without_secrets(
        {
            "client_secret": "abcdefgh",
            "password": ["hunter22"],
            "nested": {"api_key": "k1", "note": "token eyJhbGciOiJFUzI1.eyJzdWIiOiJ4.c2lnbmF0dXJl"},
            "reason": "see https://a.example/?code=12345",
        }
    )
    text = str(told)
    for secret in ("abcdefgh", "hunter22", "k1", "eyJhbGciOiJFUzI1", "12345"):
        assert secret not in text
    kept = {"client_secret": "changed", "api_key": "\u2022\u2022\u2022", "role": "admin", "n": 3}
    assert without_secrets(kept) == kept


@given(_OBJECTS, _OBJECTS)
def test_the_changes_turn_what_was_into_what_is(before: Any, after: Any) -> None:
    result: Any = copy.deepcopy(before)
    for change in changes(before, after):
        steps = [s.replace("~1", "/").replace("~0", "~") for s in change.path.split("/")[1:]]
        place = result
        for step in steps[:-1]:
            place = place[step]
        assert place.get(steps[-1], msgspec.UNSET) == change.was
        if change.is_now is msgspec.UNSET:
            del place[steps[-1]]
        else:
            place[steps[-1]] = change.is_now
    assert result == after


@given(_OBJECTS)
def test_what_stayed_is_no_change(value: Any) -> None:
    assert changes(value, copy.deepcopy(value)) == []
