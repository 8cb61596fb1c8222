-- What the version before cannot show is dropped. A word of an enum cannot be: the types are made anew.

delete from epoch_metrics where arm = 'untuned' or phase = 'tune';
update jobs set phase = 'evaluate' where phase = 'tune';
update checkpoints set phase = 'evaluate' where phase = 'tune';

alter type phase rename to phase_with_tuning;
create type phase as enum ('warmup', 'search', 'validate', 'select', 'evaluate', 'self_check', 'certify', 'export');
alter table jobs alter column phase type phase using phase::text::phase;
alter table epoch_metrics alter column phase type phase using phase::text::phase;
alter table checkpoints alter column phase type phase using phase::text::phase;
drop type phase_with_tuning;

alter type arm rename to arm_with_untuned;
create type arm as enum ('full', 'denoised', 'random');
alter table epoch_metrics alter column arm type arm using arm::text::arm;
drop type arm_with_untuned;

update jobs set spec = spec - 'tuning';
