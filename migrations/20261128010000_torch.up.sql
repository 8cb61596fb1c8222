-- libtorch is a program of its own, which not every worker has.

-- A worker of a program before this one has libtorch built in, and writes no such column.
alter table workers add column torch boolean not null default true;

-- Mirror of ResolvedSpec::needs_torch in src/types/ability.rs; a test compares the two.
alter table jobs add column needs_torch boolean not null generated always as (
    spec ->> 'engine' = 'tch' or spec ->> 'device' like 'cuda:%'
        or jsonb_path_exists(spec, '$.**.backbone ? (!(@ == "fm" || @ == "wide_deep" || @ == "dcn" || @ == "ipnn" || @ == "deepfm"))')
        or jsonb_path_exists(spec, '$.**.teacher ? (!(@ == "fm" || @ == "wide_deep" || @ == "dcn" || @ == "ipnn" || @ == "deepfm"))')
) stored;
