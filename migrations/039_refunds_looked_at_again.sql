-- A bank may send a refund back that was done, so one that is done is asked after again when there is news of it.
-- due_at says when that is: never, while nothing is owed.
update refunds set due_at = 'infinity' where state in ('done', 'failed');
drop index refunds_owed;
create index refunds_owed on refunds (due_at) where state <> 'failed';

---- create above / drop below ----

drop index refunds_owed;
create index refunds_owed on refunds (due_at) where state in ('created', 'transit');
update refunds set due_at = changed_at where state in ('done', 'failed');
