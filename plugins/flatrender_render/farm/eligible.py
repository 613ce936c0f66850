"""Which node may take work that waits for any of them: SQL that every such queue has in common.

Frame jobs have a search of their own (migration 15), which weighs much more.
"""

ALONE_SECONDS = 120


def may_take(row: str, *, node: str, now: str, engine: str = "") -> str:
    """Return a condition: the node ``node`` may take the row ``row`` now.

    What drains, rests or is set aside gets none, and a node kept for one tenant nothing of another
    (the row has a ``tenant_id``). A node that failed at a row (``avoid_nodes``) lets
    others try while another one is heard of, and for two minutes after ``not_before``: that one may
    have other work for hours. ``engine`` is the one that the others must drive, if any.
    """
    drives = f"{engine} = ANY (o.engines) AND " if engine else ""
    return f"""
  ({row}.not_before IS NULL OR {row}.not_before <= {now})
  AND ({node}::uuid IS NULL
       OR (EXISTS (SELECT FROM render.nodes n
                   WHERE n.id = {node} AND n.deleted_at IS NULL AND n.drain_requested_at IS NULL
                     AND n.status NOT IN ('Draining', 'Quarantined', 'Offline')
                     AND (n.only_tenant_id IS NULL OR n.only_tenant_id = {row}.tenant_id)
                     AND (n.rest_until IS NULL OR n.rest_until <= {now}))
           AND ({node} <> ALL ({row}.avoid_nodes)
                OR {row}.not_before < {now} - make_interval(secs => {ALONE_SECONDS})
                OR NOT EXISTS (SELECT FROM render.nodes o
                               WHERE {drives}o.deleted_at IS NULL
                                 AND o.status IN ('Starting', 'Idle', 'Busy')
                                 AND (o.only_tenant_id IS NULL
                                      OR o.only_tenant_id = {row}.tenant_id)
                                 AND o.last_heartbeat_at > now() - interval '30 seconds'
                                 AND o.id <> ALL ({row}.avoid_nodes)))))"""  # noqa: S608 - names of ours
