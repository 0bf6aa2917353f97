-- Orders are opened and paid by the dozen, in one transaction each, so a page needs room for a second
-- version of every row on it: then no index is written.
alter table sandbox_intents set (fillfactor = 45);
alter table orders set (fillfactor = 45);
alter table fraud_orders set (fillfactor = 40);

---- create above / drop below ----

alter table fraud_orders set (fillfactor = 50);
alter table orders set (fillfactor = 50);
alter table sandbox_intents set (fillfactor = 70);
