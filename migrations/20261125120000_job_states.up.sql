-- A job can be paused. New words of an enum can be used once their transaction has committed, so they come alone.

alter type job_state add value if not exists 'pausing' before 'cancelling';
alter type job_state add value if not exists 'paused' before 'cancelling';
