"""The HTTP layer of the kernel: problems, lists, idempotency, ETags, live streams, OpenAPI.

It owns how a request is read and how an answer looks, for every context alike. It never knows a
context's rules, never opens a database session for a handler, and never decides who the caller
is (that is ``flatrender.security``).

This package imports nothing by itself: ``flatrender.settings`` reads ``http.settings`` early.
"""
