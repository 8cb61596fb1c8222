drop trigger jobs_remove_parts on jobs;
drop function jobs_remove_parts();
drop table job_parts;
drop function job_parts_notify();
