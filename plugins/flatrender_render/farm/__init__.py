"""The farm: who works on what. Claims with a fencing epoch, leases, reports, the work itself.

PostgreSQL is the truth and arq only wakes workers. Every change of state goes through the tables
of ``flatrender_render.domain``; a report whose epoch is not the row's own changes nothing.
"""
