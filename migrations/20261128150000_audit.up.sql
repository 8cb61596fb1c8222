-- Who did what: a row for every request that may have changed something, for every sign-in, and for every key or limit that
-- the operator sets. Nothing here refers to another table, because a row outlives what it speaks of. No secret stands here:
-- keys are named by their ids, things by theirs, and neither bodies nor queries are kept.
create table audit_entries (
    id            uuid        not null constraint audit_entries_pkey primary key,
    at            timestamptz not null default now(),
    -- Absent where nobody was let in.
    tenant        text,
    -- Absent without keys, and for what the operator does on the machine itself.
    key_id        uuid,
    -- Who was connected; absent for what the operator does on the machine itself.
    address       text,
    -- Whom a proxy says to ask for. Anybody may claim that, so it counts only where a proxy of one's own sets it.
    forwarded_for text,
    action        text        not null,
    object        text,
    -- Absent where the client went away before its answer.
    status        int,
    outcome       text        not null
                              constraint audit_entries_outcome_known check (outcome in ('done', 'refused', 'failed', 'unknown')),
    request_id    text
);

create index audit_entries_list on audit_entries (at, id);
create index audit_entries_by_tenant on audit_entries (tenant, at, id);
create index audit_entries_by_object on audit_entries (object, at, id) where object is not null;
