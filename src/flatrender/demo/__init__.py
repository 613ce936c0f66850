"""The demo: a customer's whole journey, over the public HTTP API and nothing else.

``api`` is a small client, ``assets`` makes the customer's own logo and voice, ``watch`` follows a
render live, ``journey`` tells the story. Nothing here imports a context or touches a database.
"""
