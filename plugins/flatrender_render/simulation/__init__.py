"""The farm in simulated time: the real claim SQL and state machine, machines that are not there.

Nothing here renders. ``flatrender simulate`` runs on a database of its own.
"""
