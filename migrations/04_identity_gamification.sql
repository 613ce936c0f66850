-- 04_identity_gamification: levels, quests, gifts. earned_gifts.notification_id gets its key in 14,
-- where the table it points to is born.

CREATE TABLE IF NOT EXISTS identity.levels (
  id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
  tenant_id uuid NOT NULL REFERENCES identity.tenants (id) ON DELETE CASCADE,
  number int NOT NULL CHECK (number >= 1),
  name_fa text NOT NULL,
  name_en text NOT NULL,
  min_xp int NOT NULL CHECK (min_xp >= 0),
  icon_object_key text,
  perks jsonb NOT NULL DEFAULT '{}',
  created_at timestamptz NOT NULL DEFAULT now(),
  updated_at timestamptz NOT NULL DEFAULT now(),
  UNIQUE (tenant_id, number),
  UNIQUE (tenant_id, id)
);
COMMENT ON TABLE identity.levels IS 'Levels that people climb by experience points.';
DO $do$ BEGIN PERFORM public.flatrender_tenant_table('identity.levels'); END $do$;

CREATE TABLE IF NOT EXISTS identity.gifts (
  id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
  tenant_id uuid NOT NULL REFERENCES identity.tenants (id) ON DELETE CASCADE,
  code text NOT NULL,
  kind text NOT NULL CHECK (kind IN ('Wallet', 'RenderCharge', 'PlanDays', 'Discount', 'Badge')),
  name_fa text NOT NULL,
  name_en text NOT NULL,
  description_fa text NOT NULL DEFAULT '',
  description_en text NOT NULL DEFAULT '',
  amount_minor bigint CHECK (amount_minor > 0),
  currency text NOT NULL DEFAULT 'IRR' CHECK (currency = 'IRR'),
  days int CHECK (days > 0),
  plan_id uuid REFERENCES identity.plans (id),
  discount_percent int CHECK (discount_percent BETWEEN 1 AND 100),
  image_object_key text,
  valid_days int CHECK (valid_days > 0),
  active boolean NOT NULL DEFAULT true,
  created_at timestamptz NOT NULL DEFAULT now(),
  updated_at timestamptz NOT NULL DEFAULT now(),
  UNIQUE (tenant_id, code),
  UNIQUE (tenant_id, id)
);
COMMENT ON TABLE identity.gifts IS 'What can be earned: money, render charge, plan days, a discount, a badge.';
COMMENT ON COLUMN identity.gifts.valid_days IS 'How long an earned gift can be claimed; NULL for ever.';
DO $do$ BEGIN PERFORM public.flatrender_tenant_table('identity.gifts'); END $do$;

CREATE TABLE IF NOT EXISTS identity.quests (
  id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
  tenant_id uuid NOT NULL REFERENCES identity.tenants (id) ON DELETE CASCADE,
  code text NOT NULL,
  name_fa text NOT NULL,
  name_en text NOT NULL,
  description_fa text NOT NULL DEFAULT '',
  description_en text NOT NULL DEFAULT '',
  trigger_event text NOT NULL,
  conditions jsonb NOT NULL DEFAULT '{}',
  goal int NOT NULL DEFAULT 1 CHECK (goal >= 1),
  period text NOT NULL DEFAULT 'Once' CHECK (period IN ('Once', 'Daily', 'Weekly', 'Monthly')),
  xp int NOT NULL DEFAULT 0 CHECK (xp >= 0),
  gift_id uuid,
  starts_at timestamptz,
  ends_at timestamptz,
  position int NOT NULL DEFAULT 0,
  active boolean NOT NULL DEFAULT true,
  created_at timestamptz NOT NULL DEFAULT now(),
  updated_at timestamptz NOT NULL DEFAULT now(),
  UNIQUE (tenant_id, code),
  UNIQUE (tenant_id, id),
  FOREIGN KEY (tenant_id, gift_id) REFERENCES identity.gifts (tenant_id, id)
);
CREATE INDEX IF NOT EXISTS quests_trigger ON identity.quests (tenant_id, trigger_event) WHERE active;
COMMENT ON TABLE identity.quests IS 'Things to do and what they bring; progress follows events.';
COMMENT ON COLUMN identity.quests.trigger_event IS 'Event type that moves the quest on.';
DO $do$ BEGIN PERFORM public.flatrender_tenant_table('identity.quests'); END $do$;

CREATE TABLE IF NOT EXISTS identity.user_progress (
  tenant_id uuid NOT NULL,
  user_id uuid NOT NULL,
  xp int NOT NULL DEFAULT 0 CHECK (xp >= 0),
  level int NOT NULL DEFAULT 1 CHECK (level >= 1),
  streak_days int NOT NULL DEFAULT 0,
  best_streak_days int NOT NULL DEFAULT 0,
  last_active_day date,
  created_at timestamptz NOT NULL DEFAULT now(),
  updated_at timestamptz NOT NULL DEFAULT now(),
  PRIMARY KEY (tenant_id, user_id),
  FOREIGN KEY (tenant_id, user_id) REFERENCES identity.users (tenant_id, id) ON DELETE CASCADE
);
COMMENT ON TABLE identity.user_progress IS 'Experience, level and streak of a person.';
DO $do$ BEGIN PERFORM public.flatrender_tenant_table('identity.user_progress'); END $do$;

CREATE TABLE IF NOT EXISTS identity.xp_ledger (
  id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
  tenant_id uuid NOT NULL,
  user_id uuid NOT NULL,
  delta int NOT NULL,
  reason text NOT NULL,
  reference text NOT NULL,
  created_at timestamptz NOT NULL DEFAULT now(),
  UNIQUE (tenant_id, user_id, reference),
  FOREIGN KEY (tenant_id, user_id) REFERENCES identity.users (tenant_id, id) ON DELETE CASCADE
);
COMMENT ON TABLE identity.xp_ledger IS 'Every change of experience points; the reference makes a repeated event harmless.';
DO $do$ BEGIN PERFORM public.flatrender_tenant_table('identity.xp_ledger', 'SELECT, INSERT', 'SELECT, INSERT'); END $do$;

CREATE TABLE IF NOT EXISTS identity.quest_progress (
  tenant_id uuid NOT NULL,
  user_id uuid NOT NULL,
  quest_id uuid NOT NULL,
  period_start date NOT NULL DEFAULT DATE '1970-01-01',
  progress int NOT NULL DEFAULT 0 CHECK (progress >= 0),
  completed_at timestamptz,
  created_at timestamptz NOT NULL DEFAULT now(),
  updated_at timestamptz NOT NULL DEFAULT now(),
  PRIMARY KEY (tenant_id, user_id, quest_id, period_start),
  FOREIGN KEY (tenant_id, user_id) REFERENCES identity.users (tenant_id, id) ON DELETE CASCADE,
  FOREIGN KEY (tenant_id, quest_id) REFERENCES identity.quests (tenant_id, id) ON DELETE CASCADE
);
COMMENT ON TABLE identity.quest_progress IS 'How far a person is with a quest in one period.';
COMMENT ON COLUMN identity.quest_progress.period_start IS 'First day of the period in the tenant''s zone; 1970-01-01 for quests that happen once.';
DO $do$ BEGIN PERFORM public.flatrender_tenant_table('identity.quest_progress'); END $do$;

CREATE TABLE IF NOT EXISTS identity.earned_gifts (
  id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
  tenant_id uuid NOT NULL,
  user_id uuid NOT NULL,
  gift_id uuid NOT NULL,
  quest_id uuid,
  level_id uuid,
  notification_id uuid,
  reference text NOT NULL,
  state text NOT NULL DEFAULT 'Earned' CHECK (state IN ('Earned', 'Claimed', 'Expired', 'Revoked')),
  earned_at timestamptz NOT NULL DEFAULT now(),
  claimed_at timestamptz,
  expires_at timestamptz,
  created_at timestamptz NOT NULL DEFAULT now(),
  updated_at timestamptz NOT NULL DEFAULT now(),
  UNIQUE (tenant_id, user_id, reference),
  FOREIGN KEY (tenant_id, user_id) REFERENCES identity.users (tenant_id, id) ON DELETE CASCADE,
  FOREIGN KEY (tenant_id, gift_id) REFERENCES identity.gifts (tenant_id, id),
  FOREIGN KEY (tenant_id, quest_id) REFERENCES identity.quests (tenant_id, id),
  FOREIGN KEY (tenant_id, level_id) REFERENCES identity.levels (tenant_id, id)
);
CREATE INDEX IF NOT EXISTS earned_gifts_user ON identity.earned_gifts (tenant_id, user_id, earned_at DESC);
CREATE INDEX IF NOT EXISTS earned_gifts_notification ON identity.earned_gifts (notification_id) WHERE notification_id IS NOT NULL;
COMMENT ON TABLE identity.earned_gifts IS 'Gifts a person has earned, claimed or let pass.';
COMMENT ON COLUMN identity.earned_gifts.notification_id IS 'The notification that told of it: the only key that crosses schemas (added in 14).';
DO $do$ BEGIN PERFORM public.flatrender_tenant_table('identity.earned_gifts'); END $do$;
