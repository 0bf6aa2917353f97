-- Comparisons of our payments with a gateway's books: one row a run, and what differed.

create table reconciliations (
    id          bigint generated always as identity primary key,
    kind        text not null check (kind in ('open', 'all')),
    provider    text not null,
    since       timestamptz not null, -- the gateway's intents from then on
    started_at  timestamptz not null default clock_timestamp(),
    finished_at timestamptz,          -- null: under way, or its process died
    seen        int not null default 0, -- intents of the gateway
    ours        int not null default 0, -- of them, and asked for one by one
    healed      int not null default 0,
    alerts      int not null default 0, -- differences that were not healed
    error       text not null default ''
);
create index reconciliations_by_kind on reconciliations (kind, started_at);

create table reconciliation_items (
    id      bigint generated always as identity primary key,
    run_id  bigint not null references reconciliations on delete cascade,
    kind    text not null,
    subject text collate "C" not null, -- our payment, or the gateway's name for an intent that is not in our books
    ref     text not null,
    detail  text not null,
    healed  boolean not null,
    why     text not null default '', -- it could not be healed
    at      timestamptz not null default clock_timestamp()
);
create index reconciliation_items_by_run on reconciliation_items (run_id, id);
create index reconciliation_alerts on reconciliation_items (kind, subject) where not healed;

-- What is pruned when it is old is found by its time.
create index webhook_events_by_time on webhook_events (received_at);
create index sandbox_webhooks_delivered on sandbox_webhooks (delivered_at) where delivered_at is not null;

---- create above / drop below ----

drop index sandbox_webhooks_delivered, webhook_events_by_time;
drop table reconciliation_items, reconciliations;
