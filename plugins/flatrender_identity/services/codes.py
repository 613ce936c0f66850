"""Codes that people type for a second factor: how they are made and how they are read.

Owns no secret and no row.
"""

import unicodedata

from flatrender.clock import random_bytes

_ALPHABET = "ABCDEFGHJKMNPQRSTUVWXYZ23456789"  # nothing that is mistaken for something else


def recovery_code() -> str:
    """Return a new recovery code, as it is shown to its owner."""
    text = "".join(_ALPHABET[byte % len(_ALPHABET)] for byte in random_bytes(10))
    return f"{text[:5]}-{text[5:]}"


def ascii_digits(code: str) -> str:
    """Return the code with digits of any script (Persian keyboards type their own) as 0 to 9."""
    return "".join(str(unicodedata.decimal(c)) if c.isdecimal() else c for c in code)


def plain(code: str) -> str:
    """Return a recovery code as it is hashed: however it was typed."""
    return code.upper().replace("-", "")
