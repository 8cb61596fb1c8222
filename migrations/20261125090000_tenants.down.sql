alter table jobs drop column tenant;
alter table datasets drop column tenant;
drop table tenants;
