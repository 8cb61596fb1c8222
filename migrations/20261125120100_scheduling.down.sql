-- Jobs that were paused wait in the queue again: the version before knows no pause.

update jobs set state = 'running' where state = 'pausing';
update jobs set state = 'queued' where state = 'paused';

drop table workers;

update job_attempts set outcome = 'released' where outcome = 'paused';
alter table job_attempts
    drop column error_kind,
    drop constraint job_attempts_outcome_known,
    add constraint job_attempts_outcome_known
        check (outcome in ('succeeded', 'failed', 'cancelled', 'died', 'lost', 'released'));

drop trigger jobs_notify_update on jobs;
create trigger jobs_notify_update after update of state on jobs
    for each row when (old.state is distinct from new.state and new.state in ('queued', 'cancelling'))
    execute function jobs_notify();

create or replace function job_state_can_become(from_state job_state, to_state job_state) returns boolean
language sql immutable as $$
    select case from_state
        when 'queued' then to_state in ('running', 'cancelled', 'failed')
        when 'running' then to_state in ('queued', 'cancelling', 'succeeded', 'failed')
        when 'cancelling' then to_state in ('cancelled', 'succeeded', 'failed')
        else false
    end
$$;

drop index jobs_active;
drop index jobs_due;
drop index jobs_claim;
create index jobs_claim on jobs (created_at, id) where state = 'queued';
drop index jobs_recover_expired;
create index jobs_recover_expired on jobs (lease_until) where state in ('running', 'cancelling');

alter table jobs
    drop constraint jobs_leased_while_running,
    add constraint jobs_leased_while_running
        check ((state in ('running', 'cancelling')) = (lease_until is not null and worker is not null)),
    drop column not_before,
    drop column requires,
    drop column device,
    drop column priority;
