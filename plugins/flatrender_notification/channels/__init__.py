"""Channels: how a message leaves the house. One module a channel; the service picks by name."""
