-- Tables that were uploaded in several files.
--
-- `datasets.object` of such a table is the list of its parts, which is an object itself: a line `<sha256>  <name>` each, the
-- bytes that a certificate's digest of the table is over. So the same parts in the same order are the same object, and a
-- version that knows no parts refuses the list as no table, instead of reading a part for the whole.

create table dataset_parts (
    dataset_id uuid  not null constraint dataset_parts_dataset_fkey references datasets (id) on delete cascade,
    -- From 0, in the order of the rows.
    number     int   not null,
    object     text  not null constraint dataset_parts_object_fkey references objects (sha256),
    -- What messages and results call it: its path below the folder that all parts were in.
    name       text  not null,
    -- The split of all its rows, where the parts say the split.
    split      text  constraint dataset_parts_split_is_one check (split in ('train', 'valid', 'test')),
    -- Columns that all its rows have the same value of, with the value: [["day", "2024-01-01"], ..]
    partitions jsonb not null default '[]',
    constraint dataset_parts_pkey primary key (dataset_id, number),
    constraint dataset_parts_names_differ unique (dataset_id, name)
);

create index dataset_parts_of_object on dataset_parts (object);
