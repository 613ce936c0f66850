"""Content's hot reads: SQL to Struct, one query a request."""
