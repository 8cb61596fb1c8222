-- Jobs, what was tried for them, and what came of it.

create type job_state as enum ('queued', 'running', 'cancelling', 'succeeded', 'failed', 'cancelled');
create type phase as enum ('warmup', 'search', 'validate', 'evaluate', 'export');
create type arm as enum ('full', 'denoised');

-- The job row is the queue row: a queue beside it would be a second truth. A worker claims it in a short transaction,
-- runs it outside of any, and renews `lease_until`. Every later write of the worker asks for (id, attempt) and a leased
-- state; finding no row means that the lease went to another.
create table jobs (
    id                  uuid        not null constraint jobs_pkey primary key,
    -- Emptied when the dataset is deleted, which only finished jobs allow; `spec` keeps the id.
    dataset_id          uuid        constraint jobs_dataset_id_fkey references datasets (id) on delete set null,
    state               job_state   not null default 'queued',
    phase               phase,
    epoch               int,
    -- ResolvedSpec, and the digest of its JSON text.
    spec                jsonb       not null,
    spec_sha256         text        not null,
    labels              jsonb       not null default '{}',
    -- The client's Idempotency-Key and the digest of the request it came with.
    idempotency_key     text,
    request_sha256      text,
    -- `attempt` counts claims and only grows: the fencing token. `deaths` counts the claims that ended badly; it, not
    -- `attempt`, is held against the limit, so that restarts of the service cost a job nothing.
    attempt             int         not null default 0,
    deaths              int         not null default 0,
    lease_until         timestamptz,
    worker              text,
    cancel_requested_at timestamptz,
    progress            jsonb,
    -- Number of the newest event. Raised in the statement that writes the event: the row lock makes numbers gapless
    -- and their order the order of commits, which a sequence would not.
    last_event_seq      bigint      not null default 0,
    error               jsonb,
    report              jsonb,
    created_at          timestamptz not null default now(),
    started_at          timestamptz,
    finished_at         timestamptz,
    constraint jobs_active_has_dataset
        check (dataset_id is not null or state in ('succeeded', 'failed', 'cancelled')),
    constraint jobs_leased_while_running
        check ((state in ('running', 'cancelling')) = (lease_until is not null and worker is not null)),
    constraint jobs_finished_when_terminal
        check ((state in ('succeeded', 'failed', 'cancelled')) = (finished_at is not null)),
    constraint jobs_succeeded_has_report check (state <> 'succeeded' or report is not null),
    constraint jobs_failed_has_error check (state <> 'failed' or error is not null)
);

create unique index jobs_idempotency_key on jobs (idempotency_key) where idempotency_key is not null;
create index jobs_list on jobs (created_at, id);
create index jobs_list_by_dataset on jobs (dataset_id, created_at, id);
create index jobs_list_by_label on jobs using gin (labels jsonb_path_ops);
create index jobs_claim on jobs (created_at, id) where state = 'queued';
create index jobs_recover_expired on jobs (lease_until) where state in ('running', 'cancelling');

-- Mirror of JobState::can_become in src/types/job.rs; a test compares the two over all pairs.
create function job_state_can_become(from_state job_state, to_state job_state) returns boolean
language sql immutable as $$
    select case from_state
        when 'queued' then to_state in ('running', 'cancelled', 'failed')
        when 'running' then to_state in ('queued', 'cancelling', 'succeeded', 'failed')
        when 'cancelling' then to_state in ('cancelled', 'succeeded', 'failed')
        else false
    end
$$;

create function jobs_check_transition() returns trigger language plpgsql as $$
begin
    if not job_state_can_become(old.state, new.state) then
        raise exception 'job % cannot go from % to %', old.id, old.state, new.state
            using errcode = 'check_violation', constraint = 'jobs_transition', table = 'jobs';
    end if;
    return new;
end
$$;

create trigger jobs_transition before update of state on jobs
    for each row when (old.state is distinct from new.state) execute function jobs_check_transition();

-- Workers listen on `work` for something to claim and on `job_cancel` for the id of a job to stop. See
-- datasets_notify_work for why these are triggers.
create function jobs_notify() returns trigger language plpgsql as $$
begin
    if new.state = 'queued' then
        perform pg_notify('work', 'job');
    else
        perform pg_notify('job_cancel', new.id::text);
    end if;
    return null;
end
$$;

create trigger jobs_notify_insert after insert on jobs
    for each row when (new.state = 'queued') execute function jobs_notify();
create trigger jobs_notify_update after update of state on jobs
    for each row when (old.state is distinct from new.state and new.state in ('queued', 'cancelling'))
    execute function jobs_notify();

-- One row a claim: who ran it, when, and how it ended. `outcome` is empty while it runs.
create table job_attempts (
    job_id     uuid        not null constraint job_attempts_job_id_fkey references jobs (id) on delete cascade,
    attempt    int         not null,
    worker     text        not null,
    started_at timestamptz not null default now(),
    ended_at   timestamptz,
    outcome    text        constraint job_attempts_outcome_known
                           check (outcome in ('succeeded', 'failed', 'cancelled', 'died', 'lost', 'released')),
    error      text,
    constraint job_attempts_pkey primary key (job_id, attempt),
    constraint job_attempts_ended_has_outcome check ((ended_at is null) = (outcome is null))
);

create table job_events (
    job_id uuid        not null constraint job_events_job_id_fkey references jobs (id) on delete cascade,
    seq    bigint      not null,
    type   text        not null,
    at     timestamptz not null default clock_timestamp(),
    data   jsonb       not null,
    constraint job_events_pkey primary key (job_id, seq)
);

-- The payload is the job's id alone: payloads are limited to 8000 bytes, and a listener reads the rows anyhow.
create function job_events_notify() returns trigger language plpgsql as $$
begin
    perform pg_notify('job_event', new.job_id::text);
    return null;
end
$$;

create trigger job_events_notify after insert on job_events
    for each row execute function job_events_notify();

-- One row a pass over the training rows. A later attempt that goes on from a checkpoint repeats passes and comes to the
-- same numbers; the first row stays. `seq` is the number of the epoch.completed event, and the cursor of the list.
create table epoch_metrics (
    job_id          uuid             not null constraint epoch_metrics_job_id_fkey references jobs (id) on delete cascade,
    arm             arm              not null,
    seed            bigint           not null,
    phase           phase            not null,
    epoch           int              not null,
    pass            int              not null,
    attempt         int              not null,
    seq             bigint           not null,
    seconds         double precision not null,
    train_auc       double precision,
    train_logloss   double precision,
    train_clipped   bigint,
    valid_auc       double precision,
    valid_logloss   double precision,
    valid_clipped   bigint,
    kept            double precision,
    reward_mean     double precision,
    reward_std      double precision,
    skipped_updates bigint,
    constraint epoch_metrics_pkey primary key (job_id, arm, seed, phase, epoch, pass),
    constraint epoch_metrics_train_is_whole check ((train_logloss is null) = (train_clipped is null)),
    constraint epoch_metrics_valid_is_whole check ((valid_logloss is null) = (valid_clipped is null))
);

create unique index epoch_metrics_list on epoch_metrics (job_id, seq);

-- Written after the object is durable, so that a row can be relied on. `seq` is the number of the checkpoint.saved event:
-- the newest checkpoint is the one of the highest.
create table checkpoints (
    job_id     uuid        not null constraint checkpoints_job_id_fkey references jobs (id) on delete cascade,
    seq        bigint      not null,
    attempt    int         not null,
    phase      phase       not null,
    epoch      int         not null,
    object     text        not null constraint checkpoints_object_key unique,
    bytes      bigint      not null,
    sha256     text        not null,
    created_at timestamptz not null default now(),
    constraint checkpoints_pkey primary key (job_id, seq)
);

create table artifacts (
    job_id        uuid        not null constraint artifacts_job_id_fkey references jobs (id) on delete cascade,
    name          text        not null,
    attempt       int         not null,
    object        text        not null constraint artifacts_object_key unique,
    bytes         bigint      not null,
    sha256        text        not null,
    media_type    text        not null,
    download_name text        not null,
    created_at    timestamptz not null default now(),
    constraint artifacts_pkey primary key (job_id, name)
);
