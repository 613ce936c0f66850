"""The inbox, preferences and messages on every channel."""
