"""Idempotency-Key: the same act asked for twice is done once (IETF draft
draft-ietf-httpapi-idempotency-key-header-07).

Owns the header, the decision what a repeat gets, and the records in each context's own
``idempotency_keys`` table. It never knows what an act does.

A route opts in with ``opt={"idempotent": True}`` (or ``"required"``). What a repeat gets:

=====================================  =========================================================
first request                          the same key again
=====================================  =========================================================
answered 2xx, 3xx, 4xx                 the same status, headers and body, ``Idempotency-Replayed``
refused for a passing reason           done anew (401, 402, 403, 408, 409, 412, 423, 425, 428, 429)
failed (5xx) or its process died       done anew, at once or when its lock has run out
still running                          409 ``idempotency_running`` with Retry-After
had another body or another route      422 ``idempotency_key_reused``
changed data, its answer was lost      409 ``idempotency_answer_lost``: look before acting again
=====================================  =========================================================

The last row needs the unit of work to call :func:`claim.settle` before its commit; with it an
act whose process dies between commit and answer is not done twice, and a request that outlived
its lock cannot commit beside the one that took over.
"""
