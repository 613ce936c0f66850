"""Tasks: work that happens after the answer, on any machine. arq lives only in this package."""
