-- Uploaded bytes and the tables read from them.
--
-- Bytes are named by their sha256, so that the same upload twice is one object. The row stands for the promise that the
-- file is durable: it is written after the file was synced and renamed into place. A file without a row is a leftover
-- and may be swept; a row without a file cannot come to be.

create table objects (
    sha256     text        not null constraint objects_pkey primary key
                           constraint objects_sha256_is_hex check (sha256 ~ '^[0-9a-f]{64}$'),
    bytes      bigint      not null constraint objects_bytes_not_negative check (bytes >= 0),
    created_at timestamptz not null default now()
);

create type dataset_status as enum ('processing', 'ready', 'invalid');

create table datasets (
    id          uuid           not null constraint datasets_pkey primary key,
    name        text,
    object      text           not null constraint datasets_object_fkey references objects (sha256),
    -- DatasetSpec as sent, and the digest of its JSON text: with `object` it says whether two requests mean the same.
    -- When the table has been read, what was found out (format, separator) is filled in; the digest stays.
    spec        jsonb          not null,
    spec_sha256 text           not null,
    media_type  text,
    file_name   text,
    status      dataset_status not null default 'processing',
    -- `attempt` counts claims and only grows: it is the fencing token of whoever reads the table now. `deaths` counts
    -- the claims whose worker vanished or failed; a graceful hand-back raises the first and not the second.
    attempt     int            not null default 0,
    deaths      int            not null default 0,
    lease_until timestamptz,
    worker      text,
    rows_read   bigint         not null default 0,
    feature_map jsonb,
    profile     jsonb,
    -- The first bad rows, and how many there are in all.
    errors      jsonb          not null default '[]',
    error_total bigint         not null default 0,
    created_at  timestamptz    not null default now(),
    ready_at    timestamptz,
    constraint datasets_ready_is_described
        check (status <> 'ready' or (feature_map is not null and profile is not null and ready_at is not null)),
    constraint datasets_lease_names_its_worker check ((lease_until is null) = (worker is null)),
    constraint datasets_lease_only_while_processing check (lease_until is null or status = 'processing')
);

-- The same bytes read in the same way are one dataset. An invalid one does not count, so that a client may try again,
-- for example with the right content type.
create unique index datasets_same_bytes_and_spec on datasets (object, spec_sha256) where status <> 'invalid';
create index datasets_list on datasets (created_at, id);
create index datasets_claim on datasets (created_at, id) where status = 'processing';

-- NOTIFY only shortens the wait of a worker that listens; workers poll as well. It is sent from a trigger so that no
-- writer can forget it, and it becomes visible when the transaction commits, never before the row.
create function datasets_notify_work() returns trigger language plpgsql as $$
begin
    perform pg_notify('work', 'dataset');
    return null;
end
$$;

create trigger datasets_notify_insert after insert on datasets
    for each row when (new.status = 'processing') execute function datasets_notify_work();
create trigger datasets_notify_free after update on datasets
    for each row when (new.status = 'processing' and old.lease_until is not null and new.lease_until is null)
    execute function datasets_notify_work();
