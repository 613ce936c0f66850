-- 29_fleet_metrics: attempts by time, for the farm's metrics and charts. They come in order of time,
-- so a block-range index is enough and costs a claim nothing.

CREATE INDEX IF NOT EXISTS frame_attempts_time ON render.frame_attempts USING brin (started_at);
