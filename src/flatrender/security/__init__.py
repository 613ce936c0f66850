"""Who calls and what they may do: principals, tokens, guards, signatures, limits, secrets."""
