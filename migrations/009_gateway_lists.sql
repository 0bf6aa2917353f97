-- The sandbox gateway lists its books by time, and knows disputes.

create table sandbox_disputes (
    ref          text primary key,
    intent       text not null unique references sandbox_intents,
    status       text not null,
    reason       text not null,
    amount_minor bigint not null,
    due_at       timestamptz not null,
    created_at   timestamptz not null default now()
);
create index sandbox_intents_by_time on sandbox_intents (created_at, ref);
create index sandbox_refunds_by_time on sandbox_refunds (created_at, ref);
create index sandbox_refunds_by_intent on sandbox_refunds (intent);

---- create above / drop below ----

drop index sandbox_refunds_by_intent, sandbox_refunds_by_time, sandbox_intents_by_time;
drop table sandbox_disputes;
