-- Addresses that are told when something happened to a job, and the outbox.

create table webhooks (
    id          uuid        not null constraint webhooks_pkey primary key,
    tenant      text        not null constraint webhooks_tenant_fkey references tenants (name),
    url         text        not null,
    -- Words of WebhookEvent.
    events      text[]      not null constraint webhooks_some_event check (cardinality(events) > 0),
    -- The key messages are signed with. A digest would not do: signing needs the key itself.
    secret      bytea       not null,
    created_at  timestamptz not null default now(),
    -- Since when its receiver wants no more (410 Gone).
    disabled_at timestamptz
);

create index webhooks_list on webhooks (tenant, created_at, id);

-- Which webhooks a job tells.
create table job_webhooks (
    job_id     uuid not null constraint job_webhooks_job_id_fkey references jobs (id) on delete cascade,
    webhook_id uuid not null constraint job_webhooks_webhook_id_fkey references webhooks (id) on delete cascade,
    constraint job_webhooks_pkey primary key (job_id, webhook_id)
);

create index job_webhooks_by_webhook on job_webhooks (webhook_id);

create type webhook_message_state as enum ('pending', 'delivered', 'failed');

-- The outbox. A row says that something happened; what is sent is read from the job when it is sent, and a job does not
-- change once it has ended. A message without a job is a test.
create table webhook_messages (
    id          uuid                  not null default gen_random_uuid() constraint webhook_messages_pkey primary key,
    webhook_id  uuid                  not null constraint webhook_messages_webhook_id_fkey references webhooks (id) on delete cascade,
    job_id      uuid                  constraint webhook_messages_job_id_fkey references jobs (id) on delete cascade,
    type        text                  not null,
    at          timestamptz           not null default now(),
    state       webhook_message_state not null default 'pending',
    -- `attempt` counts claims and only grows: the fencing token. A claim moves `next_at` past the time an attempt may
    -- take, so that the message of a sender that vanished is due again by itself.
    attempt     int                   not null default 0,
    next_at     timestamptz           not null default now(),
    finished_at timestamptz,
    constraint webhook_messages_finished_when_not_pending check ((state = 'pending') = (finished_at is null))
);

create index webhook_messages_claim on webhook_messages (next_at) where state = 'pending';
create index webhook_messages_sweep on webhook_messages (finished_at) where state <> 'pending';
create index webhook_messages_by_webhook on webhook_messages (webhook_id);
create index webhook_messages_by_job on webhook_messages (job_id);
-- One test at a time.
create unique index webhook_messages_test on webhook_messages (webhook_id) where state = 'pending' and job_id is null;

-- One row an attempt that ended. What the receiver said is never kept.
create table webhook_deliveries (
    id          uuid             not null default gen_random_uuid() constraint webhook_deliveries_pkey primary key,
    webhook_id  uuid             not null constraint webhook_deliveries_webhook_id_fkey references webhooks (id) on delete cascade,
    message_id  uuid             not null constraint webhook_deliveries_message_id_fkey references webhook_messages (id) on delete cascade,
    attempt     int              not null,
    at          timestamptz      not null default now(),
    outcome     text             not null
                                 constraint webhook_deliveries_outcome_known check (outcome in ('delivered', 'retrying', 'failed', 'gone')),
    -- Absent where no answer came.
    status      int,
    duration_ms bigint           not null,
    error       text,
    constraint webhook_deliveries_attempt_key unique (message_id, attempt)
);

create index webhook_deliveries_list on webhook_deliveries (webhook_id, at, id);

-- A trigger, because events are written in several places and by programs of the version before: whatever ends a job
-- fills the outbox in the same transaction. The lock waits for a webhook that is being deleted, so that its end cannot
-- make the job's fail.
create function job_events_fill_outbox() returns trigger language plpgsql as $$
begin
    insert into webhook_messages (webhook_id, job_id, type, at)
    select w.id, new.job_id, new.type, new.at
    from job_webhooks j
    join webhooks w on w.id = j.webhook_id
    where j.job_id = new.job_id and w.disabled_at is null and new.type = any (w.events)
    for key share of w;
    return null;
end
$$;

create trigger job_events_webhooks after insert on job_events
    for each row when (new.type in ('job.succeeded', 'job.failed', 'job.cancelled', 'verdict.issued'))
    execute function job_events_fill_outbox();
