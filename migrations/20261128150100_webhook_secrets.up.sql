-- The key before the last, which messages are signed with too until then, so that receivers have time to change theirs.
alter table webhooks
    add column former_secret bytea,
    add column former_until  timestamptz,
    add constraint webhooks_former_secret_ends check ((former_secret is null) = (former_until is null));
