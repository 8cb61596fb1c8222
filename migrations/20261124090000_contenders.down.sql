-- What the version before cannot show is dropped. A word of an enum cannot be: the type is made anew.

delete from epoch_metrics where contender <> 0 or phase = 'select';

alter table epoch_metrics
    drop constraint epoch_metrics_pkey,
    drop column contender,
    add constraint epoch_metrics_pkey primary key (job_id, arm, seed, phase, epoch, pass);

alter table jobs drop column contender;

update jobs set phase = 'validate' where phase = 'select';
update checkpoints set phase = 'validate' where phase = 'select';

alter type phase rename to phase_with_select;
create type phase as enum ('warmup', 'search', 'validate', 'evaluate', 'export');
alter table jobs alter column phase type phase using phase::text::phase;
alter table epoch_metrics alter column phase type phase using phase::text::phase;
alter table checkpoints alter column phase type phase using phase::text::phase;
drop type phase_with_select;

-- Jobs whose specs the version before cannot read go; of the others go the options it does not know.
delete from jobs
where spec #>> '{method,name}' not in ('autodenoise', 'none')
   or spec #>> '{method,backbone}' not in ('fm', 'wide_deep', 'dcn', 'ipnn', 'deepfm');

update jobs
set spec = jsonb_set(spec, '{method,options}', (spec #> '{method,options}') - unknown.options),
    report = jsonb_set(report, '{spec,method,options}', (report #> '{spec,method,options}') - unknown.options)
from (
    select array['interaction_dropout', 'structure', 'hofm_order', 'cin_dims', 'cin_split_half', 'attention_dim',
                 'attention_layers', 'heads', 'lnn_dim', 'mask_blocks', 'mask_block_dim', 'second_mlp_dims', 'gate_dims',
                 'user_field', 'item_field'] as options
) as unknown;
