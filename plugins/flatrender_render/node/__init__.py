"""A render node outside: ``flatrender node``. It only dials out, and needs no database."""
