-- What the version before cannot show is dropped. A word of an enum cannot be: the types are made anew.

alter table jobs drop column reproduces, drop column verdict;

delete from epoch_metrics where arm = 'random' or phase in ('self_check', 'certify');
update jobs set phase = 'evaluate' where phase in ('self_check', 'certify');
update checkpoints set phase = 'evaluate' where phase in ('self_check', 'certify');

alter type phase rename to phase_with_evidence;
create type phase as enum ('warmup', 'search', 'validate', 'select', 'evaluate', 'export');
alter table jobs alter column phase type phase using phase::text::phase;
alter table epoch_metrics alter column phase type phase using phase::text::phase;
alter table checkpoints alter column phase type phase using phase::text::phase;
drop type phase_with_evidence;

alter type arm rename to arm_with_random;
create type arm as enum ('full', 'denoised');
alter table epoch_metrics alter column arm type arm using arm::text::arm;
drop type arm_with_random;

update jobs set spec = spec - 'certify' - 'self_check';
