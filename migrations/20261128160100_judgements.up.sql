-- Verdicts by models that are trained elsewhere: the service hands out what to train on, takes predictions in and judges them.

create type judgement_state as enum ('preparing', 'open', 'judging', 'judged', 'failed');

create table judgements (
    id              uuid            not null constraint judgements_pkey primary key,
    job_id          uuid            not null constraint judgements_job_id_fkey references jobs (id) on delete cascade,
    tenant          text            not null constraint judgements_tenant_fkey references tenants (name),
    state           judgement_state not null default 'preparing',
    -- Whose models they are, in the client's words.
    model           text            not null,
    -- What the verdict is to show.
    certify         jsonb           not null,
    -- As in `jobs`: of the request that made it, the key behind the tenant's name.
    idempotency_key text,
    request_sha256  text,
    -- What is to be trained and predicted, once that is known.
    manifest        jsonb,
    -- The number of the verdict among those on its table's test rows, from the moment it is asked for.
    test_read       int,
    certification   jsonb,
    error           text,
    -- The claim of a worker, as of a dataset.
    attempt         int             not null default 0,
    deaths          int             not null default 0,
    worker          text,
    lease_until     timestamptz,
    created_at      timestamptz     not null default now(),
    -- Moved on by every prediction that comes.
    expires_at      timestamptz     not null,
    ended_at        timestamptz,
    constraint judgements_leased_while_at_work check (lease_until is null or state in ('preparing', 'judging')),
    constraint judgements_open_has_manifest check (state in ('preparing', 'failed') or manifest is not null),
    constraint judgements_judged_has_certification check ((state = 'judged') = (certification is not null)),
    constraint judgements_failed_has_error check ((state = 'failed') = (error is not null)),
    constraint judgements_ended_has_time check ((state in ('judged', 'failed')) = (ended_at is not null))
);

create unique index judgements_idempotency_key on judgements (idempotency_key) where idempotency_key is not null;
create index judgements_list on judgements (job_id, created_at, id);
create index judgements_of_tenant on judgements (tenant);
create index judgements_waiting on judgements (created_at, id) where state in ('preparing', 'judging');

-- What is handed out, and what came of it.
create table judgement_files (
    judgement_id  uuid   not null constraint judgement_files_judgement_id_fkey references judgements (id) on delete cascade,
    name          text   not null,
    object        text   not null,
    bytes         bigint not null,
    sha256        text   not null constraint judgement_files_sha256_is_hex check (sha256 ~ '^[0-9a-f]{64}$'),
    media_type    text   not null,
    download_name text   not null,
    constraint judgement_files_pkey primary key (judgement_id, name)
);

create index judgement_files_object on judgement_files (object);

-- What models predict, as it came.
create table judgement_predictions (
    judgement_id uuid    not null constraint judgement_predictions_judgement_id_fkey
                         references judgements (id) on delete cascade,
    training     text    not null,
    -- Of the validation rows; else of the test rows.
    of_valid     boolean not null,
    object       text    not null,
    bytes        bigint  not null,
    sha256       text    not null constraint judgement_predictions_sha256_is_hex check (sha256 ~ '^[0-9a-f]{64}$'),
    constraint judgement_predictions_pkey primary key (judgement_id, training, of_valid)
);

create index judgement_predictions_object on judgement_predictions (object);

create function notify_judgement() returns trigger language plpgsql as $$
begin
    perform pg_notify('work', 'judgement');
    return null;
end
$$;

create trigger judgements_notify after insert or update of state, lease_until on judgements
    for each row when (new.state in ('preparing', 'judging') and new.lease_until is null)
    execute function notify_judgement();
