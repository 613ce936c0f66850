"""Logs, metrics, traces and health: what an operator sees, and never a secret or a body."""
