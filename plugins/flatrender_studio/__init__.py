"""Saved projects: the customer's own filled-in copy of a template."""
