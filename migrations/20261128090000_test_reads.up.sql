-- Verdicts on a table's test rows, counted across jobs: the more there are, the less each may err by.

-- No key refers to a job or a dataset: what was read stays read when they are deleted.
create table test_reads (
    tenant         text        not null constraint test_reads_tenant_fkey references tenants (name),
    -- Profile::digest of the dataset, and the digest of the job's resolved spec: the same job again reads nothing new.
    dataset_digest text        not null,
    spec_sha256    text        not null,
    number         int         not null constraint test_reads_number_positive check (number > 0),
    read_at        timestamptz not null default now(),
    constraint test_reads_pkey primary key (tenant, dataset_digest, spec_sha256),
    constraint test_reads_number_key unique (tenant, dataset_digest, number)
);

-- The number of the job's own verdict, once it has been claimed.
alter table jobs add column test_read int;

-- Verdicts of versions that did not count them were readings all the same.
insert into test_reads (tenant, dataset_digest, spec_sha256, number, read_at)
select tenant, digest, spec_sha256, row_number() over (partition by tenant, digest order by first, spec_sha256), first
from (
    select tenant, spec ->> 'dataset_digest' as digest, spec_sha256, min(started_at) as first from jobs
    where jsonb_typeof(spec -> 'certify') = 'object' and started_at is not null
    group by tenant, spec ->> 'dataset_digest', spec_sha256
) verdicts;
