-- A message that has lost its sense before it was sent: nobody has to look at it.
alter table notifications drop constraint notifications_state_check, drop constraint notifications_check;
alter table notifications
    add constraint notifications_state_check check (state in ('queued', 'sending', 'sent', 'failed', 'dead', 'moot')),
    add constraint notifications_check check ((state in ('sent', 'dead', 'moot')) = (due_at is null));

---- create above / drop below ----

update notifications set state = 'dead' where state = 'moot';
alter table notifications drop constraint notifications_state_check, drop constraint notifications_check;
alter table notifications
    add constraint notifications_state_check check (state in ('queued', 'sending', 'sent', 'failed', 'dead')),
    add constraint notifications_check check ((state in ('sent', 'dead')) = (due_at is null));
