drop table datasets;
drop function datasets_notify_work;
drop type dataset_status;
drop table objects;
