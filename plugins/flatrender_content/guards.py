"""Who may change the catalogue: moderators and administrators with a second factor in this session.

What cannot be taken back or reaches other tenants wants that factor fresh besides (the routes'
``requires_step_up``).
"""

from flatrender.security.guards import requires_role

curates = requires_role("moderator")
