"""Render jobs, live progress, snapshots and exports."""
