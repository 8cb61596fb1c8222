drop table artifacts, checkpoints, epoch_metrics, job_events, job_attempts, jobs;
drop function job_events_notify, jobs_notify, jobs_check_transition, job_state_can_become;
drop type arm, phase, job_state;
