alter table jobs drop column needs_torch;
alter table workers drop column torch;
