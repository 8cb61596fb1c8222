-- Whose things are. Everything a client makes belongs to a tenant; a server that asks for no keys has the one of the
-- first row.

create table tenants (
    name       text        not null constraint tenants_pkey primary key
                           constraint tenants_name_is_a_word check (name ~ '^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$'),
    created_at timestamptz not null default now()
);

insert into tenants (name) values ('default');

-- Existing rows are the first tenant's, and a program of the version before writes without naming one.
alter table datasets add column tenant text not null default 'default' constraint datasets_tenant_fkey references tenants (name);
alter table jobs add column tenant text not null default 'default' constraint jobs_tenant_fkey references tenants (name);
