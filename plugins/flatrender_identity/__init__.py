"""Accounts, sessions, second factors, plans and what a render may cost."""
