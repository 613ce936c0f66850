"""FlatRender: the kernel that every context stands on."""

__version__ = "0.1.0"
