"""Content's use cases. Each owns its transaction and emits its events."""
