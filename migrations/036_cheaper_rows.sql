-- Orders are opened and paid by the dozen, in one transaction each, so a page needs room for a second
-- version of every row on it: then no index is written.
alter table sandbox_intents set (fillfactor = 45);
alter table orders set (fillfactor = 45);
alter table fraud_orders set (fillfactor = 40);

-- What gateways call their things is compared byte by byte, as our own ids are, and not by the rules of a language.
alter table sandbox_intents alter column ref type text collate "C", alter column idempotency_key type text collate "C";
alter table webhook_events alter column provider type text collate "C", alter column event_id type text collate "C";
alter table payments alter column provider type text collate "C", alter column provider_ref type text collate "C";

-- A connection keeps the plan of its first statement, of one payment: by nested loops, which cost a group of five hundred
-- the square of its size.
alter function record_payment_states() set enable_nestloop = off;
alter function record_payment_states() set enable_hashjoin = on;

---- create above / drop below ----

alter function record_payment_states() reset all;

alter table payments alter column provider type text collate "default", alter column provider_ref type text collate "default";
alter table webhook_events alter column provider type text collate "default", alter column event_id type text collate "default";
alter table sandbox_intents alter column ref type text collate "default", alter column idempotency_key type text collate "default";

alter table fraud_orders set (fillfactor = 50);
alter table orders set (fillfactor = 50);
alter table sandbox_intents set (fillfactor = 70);
