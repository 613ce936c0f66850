"""Secrets at rest, keyed hashes, API keys, settings: nothing opens elsewhere, nothing shows."""

import copy
import json
import pickle
import traceback
from base64 import urlsafe_b64decode
from uuid import UUID, uuid4

import msgspec
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from flatrender.security.api_keys import make_key, make_publishable_key, parse_key
from flatrender.security.secrets import (
    DecryptionError,
    Encryptor,
    KeyedHash,
    Place,
    Secret,
    derive_key,
    keeps_stored,
    mask,
)
from flatrender.security.settings import SecuritySettings

ROW = UUID(int=7)
PLACE = Place("identity", "oauth_config", "client_secret", ROW)
NEW, OLD = "n" * 40, "o" * 40
#: Made once: what hypothesis draws must not depend on a fresh nonce.
SEALED = Encryptor([NEW]).encrypt("the value", PLACE)
API_KEY = make_key(ROW, KeyedHash([NEW], "api_key")).text.reveal()


@settings(deadline=None)
@given(st.text() | st.binary())
def test_what_is_sealed_opens_in_its_place(value: str | bytes) -> None:
    try:
        data = value.encode() if isinstance(value, str) else value
    except UnicodeEncodeError:
        return
    ring = Encryptor([NEW])
    assert ring.decrypt_bytes(ring.encrypt(value, PLACE), PLACE) == data


@pytest.mark.parametrize(
    "other",
    [
        Place("content", "oauth_config", "client_secret", ROW),
        Place("identity", "ai_settings", "client_secret", ROW),
        Place("identity", "oauth_config", "client_id", ROW),
        Place("identity", "oauth_config", "client_secret", uuid4()),
        # The same letters cut differently must not be the same place.
        Place("identityo", "auth_config", "client_secret", ROW),
    ],
)
def test_a_ciphertext_does_not_open_in_another_place(other: Place) -> None:
    ring = Encryptor([NEW])
    with pytest.raises(DecryptionError):
        ring.decrypt(ring.encrypt("s3cret", PLACE), other)


@settings(deadline=None)
@given(st.data())
def test_no_changed_character_opens(data: st.DataObject) -> None:
    ring, stored = Encryptor([NEW]), SEALED
    place = data.draw(st.integers(12, len(stored.rstrip("=")) - 1))
    other = data.draw(st.sampled_from("Zq7-_e").filter(lambda c: c != stored[place]))
    # Base64's last character may hold unused bits: then nothing was changed.
    changed = stored[:place] + other + stored[place + 1 :]
    assume(urlsafe_b64decode(changed[12:] + "==") != urlsafe_b64decode(stored[12:] + "=="))
    with pytest.raises(DecryptionError) as caught:
        ring.decrypt(changed, PLACE)
    assert "the value" not in str(caught.value)


@pytest.mark.parametrize(
    "stored", ["", "e1", "e1..", "e2.00000000.AAAA", "e1.zz.AAAA", "plain text"]
)
def test_what_is_no_ciphertext_is_refused_by_name(stored: str) -> None:
    with pytest.raises(DecryptionError):
        Encryptor([NEW]).decrypt(stored, PLACE)


def test_the_same_value_never_looks_the_same() -> None:
    ring = Encryptor([NEW])
    assert len({ring.encrypt("x", PLACE) for _ in range(50)}) == 50


def test_keys_rotate() -> None:
    old, both, new = Encryptor([OLD]), Encryptor([NEW, OLD]), Encryptor([NEW])
    stored = old.encrypt("s3cret", PLACE)
    assert both.decrypt(stored, PLACE).reveal() == "s3cret"
    assert both.needs_rotation(stored)
    again = both.encrypt(both.decrypt(stored, PLACE), PLACE)
    assert not both.needs_rotation(again)
    assert new.decrypt(again, PLACE) == Secret("s3cret")
    with pytest.raises(DecryptionError, match="unknown key"):
        new.decrypt(stored, PLACE)


def test_purposes_have_keys_of_their_own() -> None:
    purposes = ("encryption", "encryption/id", "hash/api_key", "hash/refresh")
    assert len({derive_key(NEW, purpose) for purpose in purposes}) == len(purposes)
    api, refresh = KeyedHash([NEW], "api_key"), KeyedHash([NEW], "refresh")
    assert api.digest("x") != refresh.digest("x")
    assert not refresh.matches("x", api.digest("x"))


def test_keyed_hashes_outlive_a_rotation_and_miss_other_values() -> None:
    digest = KeyedHash([OLD], "api_key").digest("key")
    both = KeyedHash([NEW, OLD], "api_key")
    assert both.matches("key", digest)
    assert not both.matches("kez", digest)
    assert not KeyedHash([NEW], "api_key").matches("key", digest)


def test_a_secret_shows_itself_nowhere() -> None:
    secret = Secret("hunter2-hunter2")
    shown = [
        repr(secret),
        str(secret),
        f"{secret}",
        f"{secret!r:>30}",
        f"{secret}",
        f"{[secret]}",
    ]
    for how in (json.dumps, msgspec.json.encode, pickle.dumps, copy.deepcopy):
        with pytest.raises(TypeError):
            how(secret)
    try:
        raise ValueError(secret)
    except ValueError:
        shown.append(traceback.format_exc())
    assert not any("hunter2" in text for text in shown)
    assert not hasattr(secret, "__dict__")


def test_secrets_compare_by_value() -> None:
    assert Secret("a") == Secret("a")
    assert Secret("a") != Secret("b")
    assert Secret("a") != "a"
    assert hash(Secret("a")) == hash(Secret("a"))
    assert not Secret("")


def test_masks_show_little_and_an_unchanged_mask_keeps_the_value() -> None:
    stored = "GOCSPX-abcdefghijklmnop"
    assert mask(stored) == "••••••mnop"
    assert mask("short") == "••••••"
    assert mask("") == ""
    assert keeps_stored(mask(stored), stored)
    assert keeps_stored("", stored)
    assert keeps_stored(None, stored)
    assert not keeps_stored("a new one", stored)
    assert not keeps_stored(mask("GOCSPX-another-secret-value"), stored)


def test_api_keys_have_id_secret_and_checksum() -> None:
    hasher = KeyedHash([NEW], "api_key")
    made = make_key(ROW, hasher)
    text = made.text.reveal()
    parsed = parse_key(text)
    assert parsed is not None
    assert parsed.key_id == ROW
    assert hasher.matches(parsed.text.reveal(), made.digest)
    assert text[-30:] not in made.hint
    assert len(made.digest) == 32
    assert make_key(ROW, hasher).digest != made.digest


@settings(deadline=None)
@given(st.data())
def test_a_mistyped_api_key_is_seen_at_once(data: st.DataObject) -> None:
    text = API_KEY
    place = data.draw(st.integers(0, len(text) - 1))
    other = data.draw(st.sampled_from("aZ09._-").filter(lambda c: c != text[place]))
    assert parse_key(text[:place] + other + text[place + 1 :]) is None
    assert parse_key(text[:place]) is None
    assert parse_key(text + other) is None


def test_publishable_keys_are_no_api_keys() -> None:
    key = make_publishable_key()
    assert key.startswith("frp_")
    assert parse_key(key) is None
    assert key != make_publishable_key()


def test_production_refuses_every_unsafe_value() -> None:
    unsafe = SecuritySettings(
        secret_key="short", allow_loopback=True, cookie_secure=False, password_memory_kib=8
    )
    named = {line.partition(":")[0] for line in unsafe.production_problems()}
    assert named == {
        "FLATRENDER_SECURITY_SECRET_KEY",
        "FLATRENDER_SECURITY_ALLOW_LOOPBACK",
        "FLATRENDER_SECURITY_COOKIE_SECURE",
        "FLATRENDER_SECURITY_PASSWORD_MEMORY_KIB",
    }
    assert SecuritySettings().production_problems() != []
    assert SecuritySettings(secret_key="k" * 32).production_problems() == []


@pytest.mark.parametrize(
    "proxy", ["proxy:3128", "ftp://h:1", "http://secret-host", "socks5://h:1/path"]
)
def test_a_proxy_that_cannot_be_dialled_is_refused_without_showing_it(proxy: str) -> None:
    with pytest.raises(ValueError, match="outbound_proxies") as caught:
        SecuritySettings(outbound_proxies={"*": proxy})
    assert proxy not in str(caught.value)
