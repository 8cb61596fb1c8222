alter table webhooks drop column former_secret, drop column former_until;
