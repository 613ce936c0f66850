-- 14_notification: messages to people: the inbox, preferences, templates, campaigns and what every
-- channel did with them. Adds the only key that crosses schemas.

DO $do$ BEGIN PERFORM public.flatrender_setup_context('notification', 'notification'); END $do$;

CREATE TABLE IF NOT EXISTS notification.templates (
  id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
  tenant_id uuid NOT NULL,
  code text NOT NULL,
  type text NOT NULL DEFAULT 'Other' CHECK (type IN ('RenderCompleted', 'RenderFailed', 'RenderProgress', 'PlanExpiring', 'PlanExpired', 'PaymentSuccess', 'PaymentFailed', 'StorageWarning', 'StorageFull', 'ExportExpiring', 'ExportDeleted', 'GiftEarned', 'QuestCompleted', 'LevelUp', 'AccountSecurity', 'SystemAnnouncement', 'TenantInvite', 'Marketing', 'Other')),
  channel text NOT NULL CHECK (channel IN ('InApp', 'Push', 'Email', 'SMS', 'Telegram', 'Webhook')),
  locale text NOT NULL CHECK (locale IN ('fa', 'en')),
  subject text NOT NULL DEFAULT '',
  body text NOT NULL,
  body_html text,
  provider_template text,
  params text[] NOT NULL DEFAULT '{}',
  version int NOT NULL DEFAULT 1,
  enabled boolean NOT NULL DEFAULT true,
  updated_by uuid,
  created_at timestamptz NOT NULL DEFAULT now(),
  updated_at timestamptz NOT NULL DEFAULT now(),
  UNIQUE (tenant_id, code, channel, locale)
);
COMMENT ON TABLE notification.templates IS 'Texts of messages per channel and language; a tenant''s own come before the default tenant''s, those before the built-in.';
COMMENT ON COLUMN notification.templates.provider_template IS 'SMS: name of the template at the provider (Kavenegar lookup).';
COMMENT ON COLUMN notification.templates.params IS 'Names that body and subject may use; others are refused.';
DO $do$ BEGIN PERFORM public.flatrender_tenant_table('notification.templates'); END $do$;
DO $do$ BEGIN PERFORM public.flatrender_shared_read('notification.templates', 'tenant_id = public.default_tenant()'); END $do$;

CREATE TABLE IF NOT EXISTS notification.campaigns (
  id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
  tenant_id uuid NOT NULL,
  name text NOT NULL,
  type text NOT NULL DEFAULT 'Marketing' CHECK (type IN ('Marketing', 'SystemAnnouncement')),
  channels text[] NOT NULL CHECK (cardinality(channels) > 0 AND channels <@ ARRAY['InApp', 'Push', 'Email', 'SMS', 'Telegram']),
  priority text NOT NULL DEFAULT 'Low' CHECK (priority IN ('Low', 'Normal', 'High', 'Urgent')),
  title_fa text NOT NULL DEFAULT '',
  title_en text NOT NULL DEFAULT '',
  body_fa text NOT NULL DEFAULT '',
  body_en text NOT NULL DEFAULT '',
  body_html_fa text,
  body_html_en text,
  action_url text,
  image_object_key text,
  audience jsonb NOT NULL DEFAULT '{}',
  state text NOT NULL DEFAULT 'Draft' CHECK (state IN ('Draft', 'Scheduled', 'Sending', 'Paused', 'Sent', 'Cancelled')),
  scheduled_at timestamptz,
  started_at timestamptz,
  finished_at timestamptz,
  rate_per_minute int CHECK (rate_per_minute > 0),
  cursor text,
  recipients int NOT NULL DEFAULT 0,
  delivered int NOT NULL DEFAULT 0,
  failed int NOT NULL DEFAULT 0,
  opened int NOT NULL DEFAULT 0,
  created_by uuid,
  created_at timestamptz NOT NULL DEFAULT now(),
  updated_at timestamptz NOT NULL DEFAULT now(),
  deleted_at timestamptz,
  UNIQUE (tenant_id, id),
  CHECK (state <> 'Scheduled' OR scheduled_at IS NOT NULL)
);
CREATE INDEX IF NOT EXISTS campaigns_list ON notification.campaigns (tenant_id, created_at DESC, id DESC) WHERE deleted_at IS NULL;
CREATE INDEX IF NOT EXISTS campaigns_due ON notification.campaigns (scheduled_at) WHERE state = 'Scheduled';
COMMENT ON TABLE notification.campaigns IS 'Messages to many people at once.';
COMMENT ON COLUMN notification.campaigns.audience IS 'Who: plan, tags, pipeline status, locale, registered before or after.';
COMMENT ON COLUMN notification.campaigns.cursor IS 'How far the sending has come, so that it goes on where it stopped.';
DO $do$ BEGIN PERFORM public.flatrender_tenant_table('notification.campaigns'); END $do$;

CREATE TABLE IF NOT EXISTS notification.notifications (
  id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
  tenant_id uuid NOT NULL,
  user_id uuid NOT NULL,
  type text NOT NULL CHECK (type IN ('RenderCompleted', 'RenderFailed', 'RenderProgress', 'PlanExpiring', 'PlanExpired', 'PaymentSuccess', 'PaymentFailed', 'StorageWarning', 'StorageFull', 'ExportExpiring', 'ExportDeleted', 'GiftEarned', 'QuestCompleted', 'LevelUp', 'AccountSecurity', 'SystemAnnouncement', 'TenantInvite', 'Marketing', 'Other')),
  priority text NOT NULL DEFAULT 'Normal' CHECK (priority IN ('Low', 'Normal', 'High', 'Urgent')),
  title_fa text NOT NULL,
  title_en text NOT NULL,
  body_fa text NOT NULL DEFAULT '',
  body_en text NOT NULL DEFAULT '',
  data jsonb NOT NULL DEFAULT '{}',
  action_url text,
  image_object_key text,
  group_key text,
  event_id uuid,
  campaign_id uuid,
  in_app boolean NOT NULL DEFAULT true,
  seen_at timestamptz,
  read_at timestamptz,
  archived_at timestamptz,
  expires_at timestamptz,
  created_at timestamptz NOT NULL DEFAULT now(),
  updated_at timestamptz NOT NULL DEFAULT now(),
  UNIQUE (tenant_id, id),
  FOREIGN KEY (tenant_id, campaign_id) REFERENCES notification.campaigns (tenant_id, id)
);
CREATE UNIQUE INDEX IF NOT EXISTS notifications_event ON notification.notifications (tenant_id, event_id, user_id, type) WHERE event_id IS NOT NULL;
CREATE INDEX IF NOT EXISTS notifications_inbox ON notification.notifications (tenant_id, user_id, created_at DESC, id DESC) WHERE in_app AND archived_at IS NULL;
CREATE INDEX IF NOT EXISTS notifications_unread ON notification.notifications (tenant_id, user_id) WHERE in_app AND read_at IS NULL AND archived_at IS NULL;
CREATE INDEX IF NOT EXISTS notifications_expiry ON notification.notifications (expires_at) WHERE expires_at IS NOT NULL;
COMMENT ON TABLE notification.notifications IS 'What a person was told, in both languages; the inbox shows those with in_app.';
COMMENT ON COLUMN notification.notifications.event_id IS 'The event it came from: the same event tells a person once.';
COMMENT ON COLUMN notification.notifications.group_key IS 'Newer ones with the same key take the place of older ones on a screen.';
DO $do$ BEGIN PERFORM public.flatrender_tenant_table('notification.notifications'); END $do$;

CREATE TABLE IF NOT EXISTS notification.notification_preferences (
  tenant_id uuid NOT NULL,
  user_id uuid NOT NULL,
  type text NOT NULL CHECK (type IN ('RenderCompleted', 'RenderFailed', 'RenderProgress', 'PlanExpiring', 'PlanExpired', 'PaymentSuccess', 'PaymentFailed', 'StorageWarning', 'StorageFull', 'ExportExpiring', 'ExportDeleted', 'GiftEarned', 'QuestCompleted', 'LevelUp', 'AccountSecurity', 'SystemAnnouncement', 'TenantInvite', 'Marketing', 'Other')),
  channel text NOT NULL CHECK (channel IN ('InApp', 'Push', 'Email', 'SMS', 'Telegram', 'Webhook')),
  enabled boolean NOT NULL,
  created_at timestamptz NOT NULL DEFAULT now(),
  updated_at timestamptz NOT NULL DEFAULT now(),
  PRIMARY KEY (tenant_id, user_id, type, channel)
);
COMMENT ON TABLE notification.notification_preferences IS 'What a person wants where; what is not here follows the default of the type.';
DO $do$ BEGIN PERFORM public.flatrender_tenant_table('notification.notification_preferences'); END $do$;

CREATE TABLE IF NOT EXISTS notification.user_settings (
  tenant_id uuid NOT NULL,
  user_id uuid NOT NULL,
  quiet_from time,
  quiet_until time,
  timezone text,
  digest text NOT NULL DEFAULT 'None' CHECK (digest IN ('None', 'Daily', 'Weekly')),
  telegram_chat_id text,
  telegram_linked_at timestamptz,
  muted_until timestamptz,
  created_at timestamptz NOT NULL DEFAULT now(),
  updated_at timestamptz NOT NULL DEFAULT now(),
  PRIMARY KEY (tenant_id, user_id)
);
COMMENT ON TABLE notification.user_settings IS 'A person''s quiet hours, digest and Telegram chat.';
COMMENT ON COLUMN notification.user_settings.quiet_from IS 'Local time from which only urgent messages leave.';
DO $do$ BEGIN PERFORM public.flatrender_tenant_table('notification.user_settings'); END $do$;

CREATE TABLE IF NOT EXISTS notification.deliveries (
  id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
  tenant_id uuid NOT NULL,
  notification_id uuid,
  campaign_id uuid,
  user_id uuid,
  event_id uuid,
  channel text NOT NULL CHECK (channel IN ('InApp', 'Push', 'Email', 'SMS', 'Telegram', 'Webhook')),
  priority text NOT NULL DEFAULT 'Normal' CHECK (priority IN ('Low', 'Normal', 'High', 'Urgent')),
  recipient text NOT NULL DEFAULT '',
  locale text NOT NULL DEFAULT 'fa' CHECK (locale IN ('fa', 'en')),
  template text NOT NULL DEFAULT '',
  params jsonb NOT NULL DEFAULT '{}',
  sealed_params text NOT NULL DEFAULT '',
  state text NOT NULL DEFAULT 'Pending' CHECK (state IN ('Pending', 'Sending', 'Sent', 'Delivered', 'Failed', 'Skipped', 'Cancelled')),
  skip_reason text,
  attempts int NOT NULL DEFAULT 0,
  next_attempt_at timestamptz DEFAULT now(),
  lease_until timestamptz,
  provider text,
  provider_message_id text,
  error_code text,
  error_message text,
  cost_minor bigint CHECK (cost_minor >= 0),
  sent_at timestamptz,
  delivered_at timestamptz,
  opened_at timestamptz,
  clicked_at timestamptz,
  expires_at timestamptz,
  created_at timestamptz NOT NULL DEFAULT now(),
  updated_at timestamptz NOT NULL DEFAULT now(),
  FOREIGN KEY (tenant_id, notification_id) REFERENCES notification.notifications (tenant_id, id) ON DELETE CASCADE,
  FOREIGN KEY (tenant_id, campaign_id) REFERENCES notification.campaigns (tenant_id, id) ON DELETE CASCADE
);
CREATE UNIQUE INDEX IF NOT EXISTS deliveries_once ON notification.deliveries (tenant_id, event_id, channel, recipient) WHERE event_id IS NOT NULL;
CREATE UNIQUE INDEX IF NOT EXISTS deliveries_campaign_once ON notification.deliveries (tenant_id, campaign_id, user_id, channel) WHERE campaign_id IS NOT NULL;
CREATE INDEX IF NOT EXISTS deliveries_due ON notification.deliveries (next_attempt_at, id) WHERE state IN ('Pending', 'Sending');
CREATE INDEX IF NOT EXISTS deliveries_notification ON notification.deliveries (tenant_id, notification_id);
CREATE INDEX IF NOT EXISTS deliveries_list ON notification.deliveries (tenant_id, created_at DESC, id DESC);
CREATE INDEX IF NOT EXISTS deliveries_user ON notification.deliveries (tenant_id, user_id, created_at DESC);
CREATE INDEX IF NOT EXISTS deliveries_provider ON notification.deliveries (provider, provider_message_id) WHERE provider_message_id IS NOT NULL;
COMMENT ON TABLE notification.deliveries IS 'One message on one channel and what became of it.';
COMMENT ON COLUMN notification.deliveries.sealed_params IS 'Codes and links with tokens, encrypted; emptied once sent.';
COMMENT ON COLUMN notification.deliveries.event_id IS 'The event it came from: a repeat sends nothing twice.';
DO $do$ BEGIN PERFORM public.flatrender_tenant_table('notification.deliveries'); END $do$;

CREATE TABLE IF NOT EXISTS notification.channel_settings (
  tenant_id uuid NOT NULL,
  channel text NOT NULL CHECK (channel IN ('Push', 'Email', 'SMS', 'Telegram', 'Webhook')),
  provider text NOT NULL,
  sender text NOT NULL DEFAULT '',
  config jsonb NOT NULL DEFAULT '{}',
  secret_enc bytea,
  enabled boolean NOT NULL DEFAULT true,
  updated_by uuid,
  created_at timestamptz NOT NULL DEFAULT now(),
  updated_at timestamptz NOT NULL DEFAULT now(),
  PRIMARY KEY (tenant_id, channel)
);
COMMENT ON TABLE notification.channel_settings IS 'A tenant''s own sender on a channel (SMTP server, SMS account, bot); without one the server''s is used.';
COMMENT ON COLUMN notification.channel_settings.secret_enc IS 'Password, API key or token, encrypted; shown masked.';
DO $do$ BEGIN PERFORM public.flatrender_tenant_table('notification.channel_settings'); END $do$;

CREATE TABLE IF NOT EXISTS notification.suppressions (
  tenant_id uuid NOT NULL,
  channel text NOT NULL CHECK (channel IN ('Push', 'Email', 'SMS', 'Telegram', 'Webhook')),
  address_hash bytea NOT NULL,
  reason text NOT NULL CHECK (reason IN ('Bounce', 'Complaint', 'Unsubscribe', 'Blocked', 'Manual')),
  only_marketing boolean NOT NULL DEFAULT false,
  detail text NOT NULL DEFAULT '',
  created_at timestamptz NOT NULL DEFAULT now(),
  PRIMARY KEY (tenant_id, channel, address_hash)
);
COMMENT ON TABLE notification.suppressions IS 'Addresses that must not be written to any more.';
COMMENT ON COLUMN notification.suppressions.address_hash IS 'SHA-256 of the address in lower case.';
DO $do$ BEGIN PERFORM public.flatrender_tenant_table('notification.suppressions'); END $do$;

-- The one key across schemas.
DO $do$ BEGIN PERFORM public.flatrender_add_constraint('identity.earned_gifts', 'earned_gifts_notification',
  'FOREIGN KEY (notification_id) REFERENCES notification.notifications (id) ON DELETE SET NULL'); END $do$;
