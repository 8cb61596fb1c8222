-- Who has signed in to the pages. A session is good for what its key is, until it ends, is signed out of, or the key is
-- revoked or expires.
create table sessions (
    -- Of the token in the browser's cookie, which is random and long: nothing here lets anyone in.
    token_sha256 bytea       not null constraint sessions_pkey primary key
                             constraint sessions_token_sha256_is_a_digest check (octet_length(token_sha256) = 32),
    key_id       uuid        not null constraint sessions_key_id_fkey references api_keys (id) on delete cascade,
    created_at   timestamptz not null default now(),
    expires_at   timestamptz not null
);

create index sessions_by_key on sessions (key_id);
