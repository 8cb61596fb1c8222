drop index jobs_unfinished_by_tenant, jobs_list_by_tenant, datasets_list_by_tenant;
drop table api_keys;
drop type key_scope;
alter table tenants drop column max_bytes, drop column max_jobs, drop column requests_per_minute;
