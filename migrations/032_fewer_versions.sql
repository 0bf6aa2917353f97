-- What a purchase writes to indexes that hold nothing new: Postgres leaves the indexes of a table alone when no column
-- of theirs has changed its value, a column of their condition too.

-- An order that is paid is no order to be canceled, before and after.
alter table orders add column ending boolean not null generated always as (cancel_at is not null and state in ('pending', 'paid')) stored;
drop index orders_to_cancel;
create index orders_to_cancel on orders (event_id, cancel_at) where ending;

-- The traces of an order become more with its payment, and are there before and after.
alter table fraud_orders add column traced boolean not null generated always as (traces <> '{}') stored;
drop index fraud_orders_by_age;
create index fraud_orders_by_age on fraud_orders (created_at) where traced;
alter table fraud_orders set (fillfactor = 50);

-- A webhook that was delivered is done with.
delete from sandbox_webhooks where delivered_at is not null;
drop index sandbox_webhooks_due, sandbox_webhooks_delivered;
alter table sandbox_webhooks drop column delivered_at;
create index sandbox_webhooks_due on sandbox_webhooks (due_at);

---- create above / drop below ----

drop index sandbox_webhooks_due;
alter table sandbox_webhooks add column delivered_at timestamptz;
create index sandbox_webhooks_due on sandbox_webhooks (due_at) where delivered_at is null;
create index sandbox_webhooks_delivered on sandbox_webhooks (delivered_at) where delivered_at is not null;
alter table fraud_orders reset (fillfactor);
drop index fraud_orders_by_age;
alter table fraud_orders drop column traced;
create index fraud_orders_by_age on fraud_orders (created_at) where traces <> '{}';
drop index orders_to_cancel;
alter table orders drop column ending;
create index orders_to_cancel on orders (event_id, cancel_at) where cancel_at is not null and state in ('pending', 'paid');
