-- Uploads that may be sent in parts. The file grows beside its row: bytes are synced first and counted in `received`
-- after, so what was acknowledged is on disk, and what lies behind it in the file is not part of the upload.

create table uploads (
    id         uuid        not null constraint uploads_pkey primary key,
    tenant     text        not null constraint uploads_tenant_fkey references tenants (name),
    length     bigint      not null constraint uploads_length_positive check (length > 0),
    received   bigint      not null default 0,
    -- The Upload-Metadata header as it came.
    metadata   text        not null default '',
    -- Of all bytes, once a dataset was made of them; they are an object from then on, and no longer this upload's.
    sha256     text        constraint uploads_sha256_is_hex check (sha256 ~ '^[0-9a-f]{64}$'),
    created_at timestamptz not null default now(),
    -- Moved on by every part that comes.
    expires_at timestamptz not null,
    constraint uploads_received_within_length check (received between 0 and length),
    constraint uploads_used_is_whole check (sha256 is null or received = length)
);

create index uploads_expire on uploads (expires_at);
create index uploads_open_of_tenant on uploads (tenant) where sha256 is null;
