-- What a purchase writes to indexes that are hardly ever read.

-- Where a reader stands with each event: what it gives as the next row's previous. It moves with the reader's cursor.
create table outbox_tails (
    consumer   text not null,
    event_id   text not null collate "C",
    seq        bigint not null,
    primary key (consumer, event_id)
);
insert into outbox_tails (consumer, event_id, seq)
    select c.consumer, o.event_id, max(o.seq) from outbox_cursors c join outbox o on o.seq <= c.seq where c.consumer = 'stream' group by 1, 2;
drop index outbox_by_event;

-- An order's page looks for the news of it, once in a while: filters of some pages each, which are made after the rows.
drop index outbox_by_subject;
create index outbox_by_subject on outbox using brin (subject text_bloom_ops) with (pages_per_range = 64, autosummarize = on);

-- The states of one thing, in order.
drop index payment_history_by_id;
alter table payment_history drop constraint payment_history_pkey, add primary key (id, seq);

-- What the clerk is owed has an index of its own.
drop index payments_owed;
create index payments_owed on payments (duty_at) where duty in ('create', 'watch', 'review', 'capture', 'void');

-- Most tickets were never given on.
alter table tickets drop constraint tickets_given_by_key;
create unique index tickets_given_by_key on tickets (given_by) where given_by is not null;

-- An event's orders are found by the orders.
drop index fraud_orders_by_event;

-- They are removed in the order in which they came, which is that of their pages.
drop index webhook_events_by_time;
create index webhook_events_by_time on webhook_events using brin (received_at) with (autosummarize = on);

---- create above / drop below ----

drop index webhook_events_by_time;
create index webhook_events_by_time on webhook_events (received_at);
create index fraud_orders_by_event on fraud_orders (event_id, order_id);
drop index tickets_given_by_key;
alter table tickets add constraint tickets_given_by_key unique (given_by);
drop index payments_owed;
create index payments_owed on payments (duty_at) where duty is not null;
alter table payment_history drop constraint payment_history_pkey, add primary key (seq);
create index payment_history_by_id on payment_history (id);
drop index outbox_by_subject;
create index outbox_by_subject on outbox (subject);
create index outbox_by_event on outbox (event_id, seq);
drop table outbox_tails;
