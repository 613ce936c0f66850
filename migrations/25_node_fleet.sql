-- 25_node_fleet: who set a node aside, and what the farm itself may put right again.

ALTER TABLE render.nodes ADD COLUMN IF NOT EXISTS quarantined_by uuid;
COMMENT ON COLUMN render.nodes.quarantined_by IS 'The administrator who did it; NULL: the farm, and a test render that passes lifts it.';
COMMENT ON COLUMN render.nodes.consecutive_failures IS 'Failed attempts of class node, resource or licence since the last proven piece.';
CREATE INDEX IF NOT EXISTS node_crashes_open ON render.node_crashes (occurred_at DESC, id DESC) WHERE acknowledged_at IS NULL;
CREATE INDEX IF NOT EXISTS node_commands_node ON render.node_commands (node_id, created_at DESC);
