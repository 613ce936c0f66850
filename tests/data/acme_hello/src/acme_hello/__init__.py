"""The worked example of docs/plugins.md: a context that lives outside the repository."""
