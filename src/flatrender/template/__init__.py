"""The template package: what a designer ships and every context can read.

A package is a dotLottie v2 zip that also holds ``flatrender.json``. This package owns its Structs,
the reading of the zip and the pure validation of a customer's values against a slot. It never
renders, never talks to a database and knows no context.
"""
