"""Who may change the catalogue: administrators with a second factor in this session."""

from flatrender.security.guards import requires_role

curates = requires_role("admin")
