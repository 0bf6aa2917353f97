-- An address is counted by its mailbox, whatever its spelling.
alter table turn_alerts add column mailbox text collate "C";
update turn_alerts set mailbox = lower(recipient);
alter table turn_alerts alter column mailbox set not null;
drop index turn_alerts_by_recipient;
create index turn_alerts_by_mailbox on turn_alerts (event_id, mailbox);

---- create above / drop below ----

drop index turn_alerts_by_mailbox;
create index turn_alerts_by_recipient on turn_alerts (event_id, recipient);
alter table turn_alerts drop column mailbox;
