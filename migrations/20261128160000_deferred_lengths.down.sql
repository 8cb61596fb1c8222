-- How long these will be nobody can tell any more.
delete from uploads where not length_known;
alter table uploads drop constraint uploads_used_has_length, drop column length_known;
