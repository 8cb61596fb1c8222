-- Parts of jobs: trainings that do not wait for each other, which any worker with a free slot may do.

-- Rows of the queue, as jobs are. The trainer of a job lays its parts out; the worker that runs the job does those nobody else
-- has taken, and takes in what the others come to. A row says the same in every attempt of its job, so an attempt uses what
-- came of parts in the attempts before it. Rows go when their job ends.
create table job_parts (
    job_id        uuid        not null constraint job_parts_job_id_fkey references jobs (id) on delete cascade,
    number        int         not null,
    state         text        not null default 'waiting'
                              constraint job_parts_state_known check (state in ('waiting', 'running', 'done')),
    -- PartWork: for people.
    work          jsonb       not null,
    -- What is to be done, which trainers of this version can read, and the object that says which rows were chosen.
    task          jsonb       not null,
    version       text        not null,
    rows          text,
    rows_bytes    bigint,
    rows_sha256   text,
    -- Counts claims and only grows: the fencing token.
    attempt       int         not null default 0,
    -- Claims by other workers than the job's own that ended badly.
    failures      int         not null default 0,
    -- Held by a worker for itself: its lease. Held by the attempt of the job with this number: that one's lease counts.
    worker        text,
    lease_until   timestamptz,
    own_attempt   int,
    -- The object with what came of it. Absent where it could not be stored.
    result        text,
    result_bytes  bigint,
    result_sha256 text,
    started_at    timestamptz,
    finished_at   timestamptz,
    constraint job_parts_pkey primary key (job_id, number),
    constraint job_parts_held_while_running
        check ((state = 'running') = (lease_until is not null or own_attempt is not null)),
    constraint job_parts_held_once check (lease_until is null or own_attempt is null),
    constraint job_parts_rows_are_whole check ((rows is null) = (rows_bytes is null) and (rows is null) = (rows_sha256 is null)),
    constraint job_parts_result_is_whole
        check ((result is null) = (result_bytes is null) and (result is null) = (result_sha256 is null)),
    constraint job_parts_only_done_have_results check (result is null or state = 'done')
);

create index job_parts_claim on job_parts (job_id, number) where state = 'waiting';
create index job_parts_recover_expired on job_parts (lease_until) where lease_until is not null;

-- Workers listen on `work` for something to claim, and on `job_part` for the id of a job with a part to take or to do.
create function job_parts_notify() returns trigger language plpgsql as $$
begin
    if new.state = 'waiting' then
        perform pg_notify('work', 'part');
    end if;
    perform pg_notify('job_part', new.job_id::text);
    return null;
end
$$;

create trigger job_parts_notify_insert after insert on job_parts
    for each row execute function job_parts_notify();
create trigger job_parts_notify_update after update of state on job_parts
    for each row when (old.state is distinct from new.state and new.state in ('waiting', 'done'))
    execute function job_parts_notify();

-- Whichever statement ends a job ends its parts; workers that do some hear of it as of a cancel.
create function jobs_remove_parts() returns trigger language plpgsql as $$
begin
    delete from job_parts where job_id = new.id;
    if found then
        perform pg_notify('job_cancel', new.id::text);
    end if;
    return null;
end
$$;

create trigger jobs_remove_parts after update of state on jobs
    for each row when (old.state is distinct from new.state and new.state in ('succeeded', 'failed', 'cancelled'))
    execute function jobs_remove_parts();
