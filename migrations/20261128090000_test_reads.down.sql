alter table jobs drop column test_read;
drop table test_reads;
