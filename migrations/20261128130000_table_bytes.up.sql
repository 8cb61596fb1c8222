-- What a dataset's encoded table takes on the disks of the machines that have it, so that it counts against its tenant's bytes.

-- Rows x (4 bytes a field + label and split), and 8 a row where times are kept, as `ingest::layout` writes them.
alter table datasets add column table_bytes bigint not null generated always as (
    coalesce(
        ((profile #>> '{rows,train}')::bigint + (profile #>> '{rows,valid}')::bigint + (profile #>> '{rows,test}')::bigint)
        * (4 * jsonb_array_length(feature_map -> 'fields') + 5
           + case when jsonb_typeof(feature_map -> 'time') = 'object' then 8 else 0 end),
        0)
) stored;
