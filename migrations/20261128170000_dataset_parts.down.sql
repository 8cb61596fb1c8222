drop table dataset_parts;
