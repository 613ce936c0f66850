"""Reading After Effects projects: the file format, bundles, and what layer names mean.

Everything here is pure: bytes or a local file in, Structs out. No database, no store, no network.
"""
