-- Pauses, priorities, what a job asks of its worker, pauses between attempts, and who the workers are.

-- Copies of what the spec says, so that a claim need not read specs.
alter table jobs
    add column priority int   generated always as (coalesce((spec ->> 'priority')::int, 0)) stored,
    add column device   text  generated always as (spec ->> 'device') stored,
    add column requires jsonb generated always as (coalesce(spec -> 'requires', '{}')) stored,
    -- A job whose attempt died waits until then.
    add column not_before timestamptz,
    add constraint jobs_priority_in_range check (priority between -100 and 100),
    drop constraint jobs_leased_while_running,
    add constraint jobs_leased_while_running
        check ((state in ('running', 'pausing', 'cancelling')) = (lease_until is not null and worker is not null));

drop index jobs_claim;
create index jobs_claim on jobs (priority desc, created_at, id) where state = 'queued';
create index jobs_due on jobs (not_before) where state = 'queued' and not_before is not null;
drop index jobs_recover_expired;
create index jobs_recover_expired on jobs (lease_until) where lease_until is not null;
create index jobs_active on jobs (state, priority) where finished_at is null;

-- Mirror of JobState::can_become in src/types/job.rs; a test compares the two over all pairs.
create or replace function job_state_can_become(from_state job_state, to_state job_state) returns boolean
language sql immutable as $$
    select case from_state
        when 'queued' then to_state in ('running', 'paused', 'cancelled', 'failed')
        when 'running' then to_state in ('queued', 'pausing', 'cancelling', 'succeeded', 'failed')
        when 'pausing' then to_state in ('running', 'paused', 'cancelling', 'succeeded', 'failed')
        when 'paused' then to_state in ('queued', 'cancelled')
        when 'cancelling' then to_state in ('cancelled', 'succeeded', 'failed')
        else false
    end
$$;

-- A pause is told as a cancel is: the worker's next heartbeat, made at once, says which of the two it is.
drop trigger jobs_notify_update on jobs;
create trigger jobs_notify_update after update of state on jobs
    for each row when (old.state is distinct from new.state and new.state in ('queued', 'pausing', 'cancelling'))
    execute function jobs_notify();

-- ErrorKind's words. Not checked: those of a newer program must not stop an older one.
alter table job_attempts
    add column error_kind text,
    drop constraint job_attempts_outcome_known,
    add constraint job_attempts_outcome_known
        check (outcome in ('succeeded', 'failed', 'cancelled', 'died', 'lost', 'released', 'paused'));

-- Workers write their row at a third of the lease and delete it when they stop; one that was killed is known by
-- `live_until`. Nothing rests on this table but what people are told: a claim asks the worker itself what it can run.
create table workers (
    id         uuid        not null constraint workers_pkey primary key,
    name       text        not null,
    labels     jsonb       not null,
    gpus       text[]      not null,
    slots      int         not null,
    busy       int         not null,
    state      text        not null constraint workers_state_known check (state in ('ready', 'unfit', 'draining')),
    -- Why it is unfit.
    reasons    text[]      not null,
    version    text        not null,
    started_at timestamptz not null default now(),
    seen_at    timestamptz not null default now(),
    live_until timestamptz not null
);

create index workers_list on workers (started_at, id);
