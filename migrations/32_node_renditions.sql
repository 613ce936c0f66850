-- 32_node_renditions: renditions are made by nodes outside as well. A failed attempt keeps away from
-- the node that failed, and a node that is late is told so and counted.

ALTER TABLE render.renditions ADD COLUMN IF NOT EXISTS avoid_nodes uuid[] NOT NULL DEFAULT '{}';
ALTER TABLE render.renditions ADD COLUMN IF NOT EXISTS maker_nodes uuid[] NOT NULL DEFAULT '{}';
ALTER TABLE render.renditions ADD COLUMN IF NOT EXISTS stale_reports int NOT NULL DEFAULT 0;
COMMENT ON COLUMN render.renditions.avoid_nodes IS 'Nodes that failed at it: others come first.';
COMMENT ON COLUMN render.renditions.maker_nodes IS 'Every node that ever held it: to them a late report is answered, to others the rendition does not exist.';
COMMENT ON COLUMN render.renditions.stale_reports IS 'Reports that came after the lease or the end; they changed nothing.';
