alter table datasets drop column table_bytes;
