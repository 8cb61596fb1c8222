-- Uploads that are begun before their length is known: `length` is then what the tenant has been granted for it so far, which
-- grows before its bytes come and counts as the lengths of others do, until a part says what the upload comes to.
alter table uploads add column length_known boolean not null default true;
alter table uploads add constraint uploads_used_has_length check (sha256 is null or length_known);
