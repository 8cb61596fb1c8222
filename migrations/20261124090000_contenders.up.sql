-- A job runs its own method (contender 0) and those it is compared with; methods other than the policy choose rows in one phase.

alter type phase add value 'select' before 'evaluate';

alter table jobs add column contender int not null default 0;

alter table epoch_metrics
    add column contender int not null default 0,
    drop constraint epoch_metrics_pkey,
    add constraint epoch_metrics_pkey primary key (job_id, contender, arm, seed, phase, epoch, pass);
