-- 41_render_leftovers: what a video was joined from does not outlive its use.

-- Pieces lie in the store under keys that follow from job, kind, index and epoch; none of them is
-- needed once the video is there, and those of a job that failed only as long as a retry may use them.
ALTER TABLE render.render_jobs ADD COLUMN IF NOT EXISTS pieces_removed_at timestamptz;
COMMENT ON COLUMN render.render_jobs.pieces_removed_at IS 'When the objects of its pieces were given to be removed; a retry that ends later is looked at again.';
CREATE INDEX IF NOT EXISTS render_jobs_leftovers ON render.render_jobs (finished_at)
  WHERE finished_at IS NOT NULL AND (pieces_removed_at IS NULL OR pieces_removed_at < finished_at);
