"""Passwords: what may be chosen, how they are kept, and that the loop goes on meanwhile."""

import asyncio

import pytest
from argon2 import PasswordHasher
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from flatrender.errors import Invalid, Unavailable
from flatrender.security.passwords import MAX_BYTES, Passwords, check_policy, is_common
from flatrender.security.settings import SecuritySettings

CHEAP = SecuritySettings(password_memory_kib=64, password_passes=1)


@pytest.fixture
def passwords() -> Passwords:
    return Passwords(CHEAP)


def refusal(password: str, **options: object) -> str | None:
    try:
        check_policy(password, **options)  # type: ignore[arg-type]  # options differ by case
    except Invalid as error:
        found = error.errors[0]
    else:
        return None
    assert found.message_fa
    assert found.message_en
    return found.code


@pytest.mark.parametrize(
    ("password", "code"),
    [
        ("elevenchars", "password_too_short"),
        ("twelve chars", None),
        ("correct horse battery staple", None),
        ("x7" * 32 + "!", None),
        ("a wonderful day in the mountains of Alborz " * 3, None),
        ("گلدان‌های شمعدانی مادربزرگ", None),
        ("k" * 1025, "password_too_long"),
        ("گ" * 600, "password_too_long"),
        ("password1234", "password_too_common"),
        ("PassWord!!!!", "password_too_common"),
        ("passwordpassword", "password_too_common"),
        ("qwertyuiop[]", "password_too_common"),
        ("abcdefghijkl", "password_too_common"),
        ("lkjihgfedcba", "password_too_common"),
        ("aaaaaaaaaaaa", "password_too_common"),
        ("abcabcabcabc", "password_too_common"),
        ("123456123456", "password_too_common"),
        ("mohammadreza", "password_too_common"),
        ("Doosetdaram1", "password_too_common"),
        ("1402yaalimadad", "password_too_common"),
        ("یا علی مدد۱۲۳", "password_too_common"),
        ("ｐａｓｓｗｏｒｄ１２３４", "password_too_common"),  # full width: NFKC
    ],
)
def test_the_policy(password: str, code: str | None) -> None:
    assert refusal(password) == code


def test_eight_are_enough_with_a_second_factor() -> None:
    assert refusal("kx7#vmq2", has_mfa=True) is None
    assert refusal("kx7#vmq", has_mfa=True) == "password_too_short"
    assert refusal("salam123", has_mfa=True) == "password_too_common"


@pytest.mark.parametrize(
    "password",
    [
        "maryam.rezaei@example.ir",
        "Maryam.Rezaei",
        "maryam.rezaei!1",
        "09121234567",
        "+989121234567",
    ],
)
def test_ones_own_identifier_is_no_password(password: str) -> None:
    identifiers = ["maryam.rezaei@example.ir", "+989121234567", "09121234567"]
    assert refusal(password, has_mfa=True, identifiers=identifiers) == "password_is_identifier"


def test_an_identifier_inside_a_long_password_is_fine() -> None:
    assert refusal("maryam.rezaei goes to the sea", identifiers=["maryam.rezaei@x.ir"]) is None


@settings(deadline=None)
@given(st.text(alphabet="bdfhjkmnprtvwxz2346789", min_size=16, max_size=40))
def test_random_passwords_are_not_called_common_without_a_reason(text: str) -> None:
    repeats = any(text == (text[:n] * 40)[: len(text)] for n in range(1, len(text) // 2 + 1))
    assume(not repeats)
    assert not is_common(text)


async def test_a_password_matches_itself_only(passwords: Passwords) -> None:
    stored = await passwords.hash("correct horse battery")
    assert stored.startswith("$argon2id$v=19$m=64,t=1,p=1$")
    assert stored != await passwords.hash("correct horse battery")
    assert (await passwords.verify(stored, "correct horse battery")).matched
    for wrong in ("correct horse batterz", "Correct horse battery", "", "correct horse battery "):
        assert not (await passwords.verify(stored, wrong)).matched


async def test_the_same_password_from_another_keyboard_matches(passwords: Passwords) -> None:
    stored = await passwords.hash("café au lait 12")
    assert (await passwords.verify(stored, "cafe\u0301 au lait １２")).matched


async def test_nobody_and_broken_hashes_match_nothing(passwords: Passwords) -> None:
    for stored in (None, "", "$argon2id$broken", "nobody's password"):
        assert not (await passwords.verify(stored, "nobody's password")).matched
    stored = await passwords.hash("x")
    assert not (await passwords.verify(stored, "\ud800 lone surrogate")).matched


async def test_an_unknown_person_costs_the_same_work(
    passwords: Passwords, monkeypatch: pytest.MonkeyPatch
) -> None:
    done: list[str] = []
    real = PasswordHasher.verify

    def watched(self: object, stored: str, password: str) -> bool:
        done.append(stored.rsplit("$", 2)[0])  # algorithm and parameters
        return bool(real(self, stored, password))  # type: ignore[arg-type]  # the patched class itself

    monkeypatch.setattr(PasswordHasher, "verify", watched)
    stored = await passwords.hash("known password")
    await passwords.verify(stored, "wrong")
    await passwords.verify(None, "wrong")
    await passwords.verify(stored, "x" * (MAX_BYTES + 1))
    assert len(done) == 3
    assert len(set(done)) == 1


async def test_a_too_long_password_matches_nothing(passwords: Passwords) -> None:
    # Cut at the limit, it would equal this one.
    stored = await passwords.hash("x" * MAX_BYTES)
    assert not (await passwords.verify(stored, "x" * (MAX_BYTES + 1))).matched
    assert (await passwords.verify(stored, "x" * MAX_BYTES)).matched


async def test_new_parameters_make_a_new_hash_once(passwords: Passwords) -> None:
    stored = await passwords.hash("correct horse battery")
    stronger = Passwords(SecuritySettings(password_memory_kib=128, password_passes=1))
    check = await stronger.verify(stored, "correct horse battery")
    assert check.matched
    assert check.rehash is not None
    assert "m=128" in check.rehash
    assert (await stronger.verify(check.rehash, "correct horse battery")).rehash is None
    assert (await stronger.verify(stored, "wrong")).rehash is None


async def test_the_loop_turns_while_a_hash_is_made() -> None:
    slow = Passwords(SecuritySettings(password_memory_kib=8_192, password_passes=6))
    hashing = asyncio.create_task(slow.hash("correct horse battery"))
    turns = 0
    while not hashing.done():
        await asyncio.sleep(0)
        turns += 1
    assert turns > 20
    slow.close()


async def test_a_crowd_is_told_to_come_back(
    passwords: Passwords, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(passwords, "_limit", 4)
    results = await asyncio.gather(
        *(passwords.hash("correct horse") for _ in range(20)), return_exceptions=True
    )
    refused = [r for r in results if isinstance(r, Unavailable)]
    assert len(refused) == 16
    assert all(r.headers["Retry-After"] for r in refused)
    assert await passwords.hash("afterwards")
