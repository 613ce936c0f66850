-- 27_unused_objects: packages and previews of templates that nobody needs any more. What is found
-- unused is noted; it is removed once it has been unused for long enough, and is still.

CREATE TABLE IF NOT EXISTS content.unused_objects (
  object_key text PRIMARY KEY,
  unused_since timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX IF NOT EXISTS unused_objects_since ON content.unused_objects (unused_since);
COMMENT ON TABLE content.unused_objects IS 'Objects of the store that nothing refers to, since when. Whoever stores one again takes its row away first; whoever removes one holds its row meanwhile.';
-- Packages are named by their content: two tenants may have the same one, so rows belong to none.
DO $do$ BEGIN PERFORM public.flatrender_plain_table('content.unused_objects', 'SELECT, DELETE'); END $do$;
