"""HTTP controllers, one resource a file."""
