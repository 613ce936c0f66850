-- 03_identity_billing: plans, payments, wallets, render charge and what a render may cost.
-- Money is bigint minor units of IRR. Ledgers are append only; a balance changes only together with
-- a ledger row, and no balance is ever below zero.

CREATE TABLE IF NOT EXISTS identity.plans (
  id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
  tenant_id uuid NOT NULL REFERENCES identity.tenants (id) ON DELETE CASCADE,
  code text NOT NULL CHECK (code ~ '^[a-z0-9]+(-[a-z0-9]+)*$'),
  name_fa text NOT NULL,
  name_en text NOT NULL,
  description_fa text NOT NULL DEFAULT '',
  description_en text NOT NULL DEFAULT '',
  tier int NOT NULL DEFAULT 0,
  price_minor bigint NOT NULL DEFAULT 0 CHECK (price_minor >= 0),
  compare_price_minor bigint CHECK (compare_price_minor >= 0),
  currency text NOT NULL DEFAULT 'IRR' CHECK (currency = 'IRR'),
  period_days int CHECK (period_days > 0),
  resolutions text[] NOT NULL CHECK (resolutions <@ ARRAY['360p', '540p', '720p', '1080p', '4K'] AND cardinality(resolutions) > 0),
  max_resolution text NOT NULL CHECK (max_resolution IN ('360p', '540p', '720p', '1080p', '4K')),
  watermark boolean NOT NULL DEFAULT true,
  daily_render_limit int NOT NULL DEFAULT 0 CHECK (daily_render_limit >= 0),
  max_video_seconds int CHECK (max_video_seconds > 0),
  max_active_jobs int CHECK (max_active_jobs > 0),
  max_saved_projects int CHECK (max_saved_projects > 0),
  storage_bytes bigint NOT NULL DEFAULT 0 CHECK (storage_bytes >= 0),
  max_upload_bytes bigint CHECK (max_upload_bytes > 0),
  export_days int CHECK (export_days > 0),
  render_charge_minor bigint NOT NULL DEFAULT 0 CHECK (render_charge_minor >= 0),
  priority int NOT NULL DEFAULT 0,
  farm_weight double precision NOT NULL DEFAULT 1 CHECK (farm_weight > 0),
  features jsonb NOT NULL DEFAULT '{}',
  position int NOT NULL DEFAULT 0,
  is_public boolean NOT NULL DEFAULT true,
  active boolean NOT NULL DEFAULT true,
  created_at timestamptz NOT NULL DEFAULT now(),
  updated_at timestamptz NOT NULL DEFAULT now(),
  deleted_at timestamptz,
  UNIQUE (tenant_id, code)
);
CREATE INDEX IF NOT EXISTS plans_offer ON identity.plans (tenant_id, position) WHERE active AND is_public AND deleted_at IS NULL;
COMMENT ON TABLE identity.plans IS 'What people can buy and what it allows. Code "free" is what everybody without a plan has.';
COMMENT ON COLUMN identity.plans.tier IS 'Order of plans; a higher tier includes a lower one.';
COMMENT ON COLUMN identity.plans.period_days IS 'How long it lasts; NULL never ends.';
COMMENT ON COLUMN identity.plans.daily_render_limit IS 'Renders per day of the tenant''s zone; 0 means no limit.';
COMMENT ON COLUMN identity.plans.render_charge_minor IS 'Render charge credited when the plan begins.';
COMMENT ON COLUMN identity.plans.priority IS 'Added to the priority of the person''s render jobs.';
DO $do$ BEGIN PERFORM public.flatrender_tenant_table('identity.plans'); END $do$;
-- A tenant without plans of its own sells the default tenant's.
DO $do$ BEGIN PERFORM public.flatrender_shared_read('identity.plans', 'tenant_id = public.default_tenant()'); END $do$;

CREATE TABLE IF NOT EXISTS identity.discount_codes (
  id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
  tenant_id uuid NOT NULL REFERENCES identity.tenants (id) ON DELETE CASCADE,
  code text NOT NULL,
  percent int CHECK (percent BETWEEN 1 AND 100),
  amount_minor bigint CHECK (amount_minor > 0),
  currency text NOT NULL DEFAULT 'IRR' CHECK (currency = 'IRR'),
  max_discount_minor bigint CHECK (max_discount_minor > 0),
  plan_ids uuid[] NOT NULL DEFAULT '{}',
  user_id uuid,
  max_uses int CHECK (max_uses > 0),
  max_uses_per_user int CHECK (max_uses_per_user > 0),
  used_count int NOT NULL DEFAULT 0,
  starts_at timestamptz,
  ends_at timestamptz,
  active boolean NOT NULL DEFAULT true,
  created_by uuid,
  created_at timestamptz NOT NULL DEFAULT now(),
  updated_at timestamptz NOT NULL DEFAULT now(),
  CHECK (num_nonnulls(percent, amount_minor) = 1),
  CHECK (max_uses IS NULL OR used_count <= max_uses)
);
CREATE UNIQUE INDEX IF NOT EXISTS discount_codes_code ON identity.discount_codes (tenant_id, lower(code));
COMMENT ON TABLE identity.discount_codes IS 'Codes that lower a price, by percent or by amount.';
DO $do$ BEGIN PERFORM public.flatrender_tenant_table('identity.discount_codes'); END $do$;

CREATE TABLE IF NOT EXISTS identity.payments (
  id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
  tenant_id uuid NOT NULL,
  user_id uuid NOT NULL,
  gateway text NOT NULL,
  purpose text NOT NULL CHECK (purpose IN ('Plan', 'Wallet', 'Charge')),
  plan_id uuid REFERENCES identity.plans (id),
  discount_code_id uuid REFERENCES identity.discount_codes (id),
  amount_minor bigint NOT NULL CHECK (amount_minor > 0),
  discount_minor bigint NOT NULL DEFAULT 0 CHECK (discount_minor >= 0),
  fee_minor bigint CHECK (fee_minor >= 0),
  refunded_minor bigint NOT NULL DEFAULT 0 CHECK (refunded_minor >= 0),
  currency text NOT NULL DEFAULT 'IRR' CHECK (currency = 'IRR'),
  status text NOT NULL DEFAULT 'Pending' CHECK (status IN ('Pending', 'Redirected', 'Verifying', 'Succeeded', 'Failed', 'Cancelled', 'Expired', 'Refunded')),
  authority text,
  reference text,
  gateway_code int,
  gateway_message text,
  card_masked text,
  card_hash text,
  sandbox boolean NOT NULL DEFAULT false,
  description text NOT NULL DEFAULT '',
  return_url text,
  client_ip inet,
  invoice_number text,
  metadata jsonb NOT NULL DEFAULT '{}',
  redirected_at timestamptz,
  verified_at timestamptz,
  failed_at timestamptz,
  refunded_at timestamptz,
  refund_reference text,
  reconcile_after timestamptz,
  reconcile_attempts int NOT NULL DEFAULT 0,
  expires_at timestamptz,
  created_at timestamptz NOT NULL DEFAULT now(),
  updated_at timestamptz NOT NULL DEFAULT now(),
  CHECK (refunded_minor <= amount_minor),
  UNIQUE (tenant_id, id),
  FOREIGN KEY (tenant_id, user_id) REFERENCES identity.users (tenant_id, id)
);
CREATE UNIQUE INDEX IF NOT EXISTS payments_authority ON identity.payments (gateway, authority) WHERE authority IS NOT NULL;
CREATE UNIQUE INDEX IF NOT EXISTS payments_reference ON identity.payments (gateway, reference) WHERE reference IS NOT NULL;
CREATE UNIQUE INDEX IF NOT EXISTS payments_invoice ON identity.payments (tenant_id, invoice_number) WHERE invoice_number IS NOT NULL;
CREATE INDEX IF NOT EXISTS payments_user ON identity.payments (tenant_id, user_id, created_at DESC);
CREATE INDEX IF NOT EXISTS payments_newest ON identity.payments (tenant_id, created_at DESC, id DESC);
CREATE INDEX IF NOT EXISTS payments_paid ON identity.payments (tenant_id, verified_at) INCLUDE (user_id, amount_minor) WHERE status IN ('Succeeded', 'Refunded') AND NOT sandbox;
CREATE INDEX IF NOT EXISTS payments_reconcile ON identity.payments (reconcile_after) WHERE status IN ('Redirected', 'Verifying');
COMMENT ON TABLE identity.payments IS 'Payments through a gateway; the amount verified is the one stored here.';
COMMENT ON COLUMN identity.payments.authority IS 'The gateway''s handle of the request (ZarinPal authority).';
COMMENT ON COLUMN identity.payments.reference IS 'The gateway''s receipt (ZarinPal ref_id); unique, so that it credits once.';
COMMENT ON COLUMN identity.payments.sandbox IS 'A test payment: never revenue, never told to webhooks.';
DO $do$ BEGIN PERFORM public.flatrender_tenant_table('identity.payments'); END $do$;

CREATE TABLE IF NOT EXISTS identity.user_plans (
  id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
  tenant_id uuid NOT NULL,
  user_id uuid NOT NULL,
  plan_id uuid NOT NULL REFERENCES identity.plans (id),
  status text NOT NULL DEFAULT 'Active' CHECK (status IN ('Pending', 'Active', 'Expired', 'Cancelled')),
  source text NOT NULL CHECK (source IN ('Purchase', 'Grant', 'Gift', 'Trial')),
  payment_id uuid,
  granted_by uuid,
  reason text,
  starts_at timestamptz NOT NULL DEFAULT now(),
  expires_at timestamptz,
  cancelled_at timestamptz,
  price_minor bigint NOT NULL DEFAULT 0 CHECK (price_minor >= 0),
  currency text NOT NULL DEFAULT 'IRR' CHECK (currency = 'IRR'),
  auto_renew boolean NOT NULL DEFAULT false,
  reminded_at timestamptz,
  created_at timestamptz NOT NULL DEFAULT now(),
  updated_at timestamptz NOT NULL DEFAULT now(),
  CHECK (expires_at IS NULL OR expires_at >= starts_at),
  UNIQUE (tenant_id, id),
  FOREIGN KEY (tenant_id, user_id) REFERENCES identity.users (tenant_id, id) ON DELETE CASCADE,
  FOREIGN KEY (tenant_id, payment_id) REFERENCES identity.payments (tenant_id, id)
);
CREATE UNIQUE INDEX IF NOT EXISTS user_plans_active ON identity.user_plans (tenant_id, user_id) INCLUDE (plan_id, expires_at) WHERE status = 'Active';
CREATE UNIQUE INDEX IF NOT EXISTS user_plans_payment ON identity.user_plans (tenant_id, payment_id) WHERE payment_id IS NOT NULL;
CREATE INDEX IF NOT EXISTS user_plans_history ON identity.user_plans (tenant_id, user_id, starts_at DESC);
CREATE INDEX IF NOT EXISTS user_plans_due ON identity.user_plans (expires_at) WHERE status = 'Active' AND expires_at IS NOT NULL;
COMMENT ON TABLE identity.user_plans IS 'Which plan a person has and had; at most one is active. Nobody active means the free plan.';
DO $do$ BEGIN PERFORM public.flatrender_tenant_table('identity.user_plans'); END $do$;

CREATE TABLE IF NOT EXISTS identity.plan_days_ledger (
  id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
  tenant_id uuid NOT NULL,
  user_id uuid NOT NULL,
  user_plan_id uuid NOT NULL,
  delta_days int NOT NULL CHECK (delta_days <> 0),
  expires_at_after timestamptz,
  kind text NOT NULL CHECK (kind IN ('Purchase', 'Adjust', 'Gift', 'Grant')),
  reason text NOT NULL DEFAULT '',
  actor_id uuid,
  reference text,
  created_at timestamptz NOT NULL DEFAULT now(),
  FOREIGN KEY (tenant_id, user_plan_id) REFERENCES identity.user_plans (tenant_id, id) ON DELETE CASCADE
);
CREATE INDEX IF NOT EXISTS plan_days_ledger_user ON identity.plan_days_ledger (tenant_id, user_id, created_at DESC);
CREATE UNIQUE INDEX IF NOT EXISTS plan_days_ledger_once ON identity.plan_days_ledger (tenant_id, reference) WHERE reference IS NOT NULL;
COMMENT ON TABLE identity.plan_days_ledger IS 'Every change of a plan''s days, by whom and why. Append only.';
COMMENT ON COLUMN identity.plan_days_ledger.reference IS 'What caused it, unique: a repeat does nothing.';
DO $do$ BEGIN PERFORM public.flatrender_tenant_table('identity.plan_days_ledger', 'SELECT, INSERT', 'SELECT, INSERT'); END $do$;

CREATE TABLE IF NOT EXISTS identity.wallets (
  id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
  tenant_id uuid NOT NULL,
  user_id uuid NOT NULL,
  balance_minor bigint NOT NULL DEFAULT 0 CHECK (balance_minor >= 0),
  currency text NOT NULL DEFAULT 'IRR' CHECK (currency = 'IRR'),
  created_at timestamptz NOT NULL DEFAULT now(),
  updated_at timestamptz NOT NULL DEFAULT now(),
  UNIQUE (tenant_id, user_id),
  UNIQUE (tenant_id, id),
  FOREIGN KEY (tenant_id, user_id) REFERENCES identity.users (tenant_id, id)
);
COMMENT ON TABLE identity.wallets IS 'A person''s money with us; the sum of its ledger.';
DO $do$ BEGIN PERFORM public.flatrender_tenant_table('identity.wallets', 'SELECT, INSERT, UPDATE', 'SELECT, INSERT, UPDATE'); END $do$;

CREATE TABLE IF NOT EXISTS identity.wallet_ledger (
  id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
  tenant_id uuid NOT NULL,
  wallet_id uuid NOT NULL,
  user_id uuid NOT NULL,
  kind text NOT NULL CHECK (kind IN ('Deposit', 'Purchase', 'Refund', 'Adjust', 'Gift', 'Referral')),
  delta_minor bigint NOT NULL CHECK (delta_minor <> 0),
  balance_after_minor bigint NOT NULL CHECK (balance_after_minor >= 0),
  currency text NOT NULL DEFAULT 'IRR' CHECK (currency = 'IRR'),
  reference text NOT NULL,
  payment_id uuid,
  reason text NOT NULL DEFAULT '',
  actor_id uuid,
  created_at timestamptz NOT NULL DEFAULT now(),
  UNIQUE (tenant_id, wallet_id, reference),
  FOREIGN KEY (tenant_id, wallet_id) REFERENCES identity.wallets (tenant_id, id),
  FOREIGN KEY (tenant_id, payment_id) REFERENCES identity.payments (tenant_id, id)
);
CREATE INDEX IF NOT EXISTS wallet_ledger_list ON identity.wallet_ledger (tenant_id, user_id, created_at DESC, id DESC);
COMMENT ON TABLE identity.wallet_ledger IS 'Every change of a wallet, with who and why. Append only.';
COMMENT ON COLUMN identity.wallet_ledger.reference IS 'What caused it (payment:<id>, adjust:<id>), unique per wallet: a repeat does nothing.';
DO $do$ BEGIN PERFORM public.flatrender_tenant_table('identity.wallet_ledger', 'SELECT, INSERT', 'SELECT, INSERT'); END $do$;

CREATE TABLE IF NOT EXISTS identity.render_charge_accounts (
  tenant_id uuid NOT NULL,
  user_id uuid NOT NULL,
  balance_minor bigint NOT NULL DEFAULT 0 CHECK (balance_minor >= 0),
  reserved_minor bigint NOT NULL DEFAULT 0 CHECK (reserved_minor >= 0),
  currency text NOT NULL DEFAULT 'IRR' CHECK (currency = 'IRR'),
  created_at timestamptz NOT NULL DEFAULT now(),
  updated_at timestamptz NOT NULL DEFAULT now(),
  PRIMARY KEY (tenant_id, user_id),
  FOREIGN KEY (tenant_id, user_id) REFERENCES identity.users (tenant_id, id)
);
COMMENT ON TABLE identity.render_charge_accounts IS 'Render charge of a person: what renders are paid with.';
COMMENT ON COLUMN identity.render_charge_accounts.balance_minor IS 'Free to spend; reserving moves it to reserved_minor.';
DO $do$ BEGIN PERFORM public.flatrender_tenant_table('identity.render_charge_accounts', 'SELECT, INSERT, UPDATE', 'SELECT, INSERT, UPDATE'); END $do$;

CREATE TABLE IF NOT EXISTS identity.render_charge_ledger (
  id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
  tenant_id uuid NOT NULL,
  user_id uuid NOT NULL,
  kind text NOT NULL CHECK (kind IN ('Grant', 'Purchase', 'Reserve', 'Settle', 'Release', 'Adjust', 'Gift')),
  delta_minor bigint NOT NULL,
  reserved_delta_minor bigint NOT NULL DEFAULT 0,
  balance_after_minor bigint NOT NULL CHECK (balance_after_minor >= 0),
  currency text NOT NULL DEFAULT 'IRR' CHECK (currency = 'IRR'),
  reference text NOT NULL,
  job_id uuid,
  reason text NOT NULL DEFAULT '',
  actor_id uuid,
  created_at timestamptz NOT NULL DEFAULT now(),
  UNIQUE (tenant_id, user_id, reference),
  FOREIGN KEY (tenant_id, user_id) REFERENCES identity.render_charge_accounts (tenant_id, user_id)
);
CREATE INDEX IF NOT EXISTS render_charge_ledger_list ON identity.render_charge_ledger (tenant_id, user_id, created_at DESC, id DESC);
COMMENT ON TABLE identity.render_charge_ledger IS 'Every change of render charge, with who and why. Append only.';
COMMENT ON COLUMN identity.render_charge_ledger.reference IS 'What caused it (job:<id>:reserve, plan:<id>), unique per person: a repeat does nothing.';
DO $do$ BEGIN PERFORM public.flatrender_tenant_table('identity.render_charge_ledger', 'SELECT, INSERT', 'SELECT, INSERT'); END $do$;

CREATE TABLE IF NOT EXISTS identity.render_prices (
  tenant_id uuid NOT NULL REFERENCES identity.tenants (id) ON DELETE CASCADE,
  resolution text NOT NULL CHECK (resolution IN ('360p', '540p', '720p', '1080p', '4K')),
  charge_per_second_minor bigint NOT NULL CHECK (charge_per_second_minor >= 0),
  minimum_minor bigint NOT NULL DEFAULT 0 CHECK (minimum_minor >= 0),
  currency text NOT NULL DEFAULT 'IRR' CHECK (currency = 'IRR'),
  updated_by uuid,
  created_at timestamptz NOT NULL DEFAULT now(),
  updated_at timestamptz NOT NULL DEFAULT now(),
  PRIMARY KEY (tenant_id, resolution)
);
COMMENT ON TABLE identity.render_prices IS 'What a second of output costs at each resolution; admins edit it.';
DO $do$ BEGIN PERFORM public.flatrender_tenant_table('identity.render_prices'); END $do$;
-- A tenant without prices of its own takes the default tenant's.
DO $do$ BEGIN PERFORM public.flatrender_shared_read('identity.render_prices', 'tenant_id = public.default_tenant()'); END $do$;

CREATE TABLE IF NOT EXISTS identity.render_reservations (
  job_id uuid PRIMARY KEY,
  tenant_id uuid NOT NULL,
  user_id uuid NOT NULL,
  day date NOT NULL,
  resolution text NOT NULL CHECK (resolution IN ('360p', '540p', '720p', '1080p', '4K')),
  seconds double precision NOT NULL CHECK (seconds >= 0),
  charge_minor bigint NOT NULL CHECK (charge_minor >= 0),
  currency text NOT NULL DEFAULT 'IRR' CHECK (currency = 'IRR'),
  watermark boolean NOT NULL,
  plan_id uuid,
  plan_code text NOT NULL,
  priority int NOT NULL DEFAULT 0,
  weight double precision NOT NULL DEFAULT 1,
  state text NOT NULL DEFAULT 'Reserved' CHECK (state IN ('Reserved', 'Settled', 'Released')),
  released_minor bigint NOT NULL DEFAULT 0 CHECK (released_minor >= 0),
  count_given_back boolean NOT NULL DEFAULT false,
  settled_at timestamptz,
  released_at timestamptz,
  expires_at timestamptz NOT NULL DEFAULT now() + interval '2 days',
  created_at timestamptz NOT NULL DEFAULT now(),
  updated_at timestamptz NOT NULL DEFAULT now(),
  CHECK (released_minor <= charge_minor),
  FOREIGN KEY (tenant_id, user_id) REFERENCES identity.users (tenant_id, id)
);
CREATE INDEX IF NOT EXISTS render_reservations_user ON identity.render_reservations (tenant_id, user_id, created_at DESC);
CREATE INDEX IF NOT EXISTS render_reservations_orphans ON identity.render_reservations (expires_at) WHERE state = 'Reserved';
COMMENT ON TABLE identity.render_reservations IS 'What one render set aside; keyed by the job, so reserve, settle and release can be repeated.';
COMMENT ON COLUMN identity.render_reservations.day IS 'The day, in the tenant''s zone, whose count it took.';
COMMENT ON COLUMN identity.render_reservations.expires_at IS 'After this a sweep asks the farm whether the job still lives and releases an orphan.';
DO $do$ BEGIN PERFORM public.flatrender_tenant_table('identity.render_reservations', 'SELECT, INSERT, UPDATE', 'SELECT, INSERT, UPDATE'); END $do$;

CREATE TABLE IF NOT EXISTS identity.user_daily_usage (
  tenant_id uuid NOT NULL,
  user_id uuid NOT NULL,
  day date NOT NULL,
  renders int NOT NULL DEFAULT 0 CHECK (renders >= 0),
  seconds double precision NOT NULL DEFAULT 0 CHECK (seconds >= 0),
  created_at timestamptz NOT NULL DEFAULT now(),
  updated_at timestamptz NOT NULL DEFAULT now(),
  PRIMARY KEY (tenant_id, user_id, day),
  FOREIGN KEY (tenant_id, user_id) REFERENCES identity.users (tenant_id, id) ON DELETE CASCADE
);
COMMENT ON TABLE identity.user_daily_usage IS 'Renders counted per person and day of the tenant''s zone; a new day has no row yet, which is the lazy reset.';
DO $do$ BEGIN PERFORM public.flatrender_tenant_table('identity.user_daily_usage'); END $do$;

-- What the default tenant sells until an admin says otherwise.
DO $$
BEGIN
  PERFORM set_config('app.tenant_id', public.default_tenant()::text, true);
  INSERT INTO identity.plans (id, tenant_id, code, name_fa, name_en, description_fa, description_en, tier, price_minor,
    period_days, resolutions, max_resolution, watermark, daily_render_limit, max_video_seconds, storage_bytes,
    max_upload_bytes, export_days, render_charge_minor, priority, farm_weight, position)
  VALUES
    ('00000000-0000-0000-0001-000000000001', public.default_tenant(), 'free', 'رایگان', 'Free',
     'برای شروع: خروجی ۳۶۰p با نشان فلت‌رندر', 'To begin with: 360p with a watermark',
     0, 0, NULL, ARRAY['360p'], '360p', true, 5, 120, 536870912, 52428800, 7, 0, 0, 1, 0),
    ('00000000-0000-0000-0001-000000000002', public.default_tenant(), 'plus', 'پلاس', 'Plus',
     'تا ۱۰۸۰p بدون نشان', 'Up to 1080p, no watermark',
     10, 4900000, 30, ARRAY['360p', '540p', '720p', '1080p'], '1080p', false, 30, 600, 10737418240, 536870912, 90, 5000000, 10, 2, 1),
    ('00000000-0000-0000-0001-000000000003', public.default_tenant(), 'pro', 'حرفه‌ای', 'Pro',
     'تا 4K بدون نشان و با اولویت', 'Up to 4K, no watermark, first in line',
     20, 14900000, 30, ARRAY['360p', '540p', '720p', '1080p', '4K'], '4K', false, 0, 1800, 107374182400, 2147483648, 365, 20000000, 20, 4, 2)
  ON CONFLICT DO NOTHING;
  INSERT INTO identity.render_prices (tenant_id, resolution, charge_per_second_minor)
  VALUES
    (public.default_tenant(), '360p', 0),
    (public.default_tenant(), '540p', 500),
    (public.default_tenant(), '720p', 1000),
    (public.default_tenant(), '1080p', 2000),
    (public.default_tenant(), '4K', 8000)
  ON CONFLICT DO NOTHING;
END
$$;
