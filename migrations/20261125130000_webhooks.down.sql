drop trigger job_events_webhooks on job_events;
drop function job_events_fill_outbox;
drop table webhook_deliveries, webhook_messages, job_webhooks, webhooks;
drop type webhook_message_state;
update jobs set spec = spec - 'webhook_ids';
