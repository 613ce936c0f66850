"""PostgreSQL: engines per context and role, the unit of work, tenant scope, hot reads, migrations.

Owns every connection of the process. It never decides what a context stores; it decides that a
context reaches its own schema only, one tenant at a time, and that a change commits whole.
"""

from flatrender.db.context import ContextDatabase
from flatrender.db.reads import ReadPool
from flatrender.db.unit_of_work import SystemTransaction, UnitOfWork

__all__ = ["ContextDatabase", "ReadPool", "SystemTransaction", "UnitOfWork"]
