-- Who may use a server that asks for keys, and how much of it.
--
-- Neither unique index of what a client asks for changes, because a program of the version before names their columns in
-- its `on conflict`. What they hold became a tenant's own instead: for every tenant but the first, the digest in
-- datasets.spec_sha256 and the key in jobs.idempotency_key have the tenant's name in them.

-- Empty: the server's own limit holds.
alter table tenants
    add column max_bytes           bigint constraint tenants_max_bytes_not_negative check (max_bytes >= 0),
    add column max_jobs            int    constraint tenants_max_jobs_not_negative check (max_jobs >= 0),
    add column requests_per_minute int    constraint tenants_requests_per_minute_positive check (requests_per_minute > 0);

-- Each word includes those before it.
create type key_scope as enum ('read', 'write', 'admin');

create table api_keys (
    id            uuid        not null constraint api_keys_pkey primary key,
    tenant        text        not null constraint api_keys_tenant_fkey references tenants (name),
    name          text        not null constraint api_keys_name_is_short check (octet_length(name) <= 200),
    scope         key_scope   not null,
    -- Of the secret, which is random and long: a slow hash would protect nothing.
    secret_sha256 bytea       not null constraint api_keys_secret_sha256_is_a_digest check (octet_length(secret_sha256) = 32),
    created_at    timestamptz not null default now(),
    expires_at    timestamptz,
    -- A revoked key stays, so that a server that once asked for keys never stops asking.
    revoked_at    timestamptz,
    -- To within five minutes: a write for every request would be many.
    last_used_at  timestamptz
);

create index datasets_list_by_tenant on datasets (tenant, created_at, id);
create index jobs_list_by_tenant on jobs (tenant, created_at, id);
create index jobs_unfinished_by_tenant on jobs (tenant) where finished_at is null;
