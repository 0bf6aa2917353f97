-- Disputes with the gateway's own names for their states, every state of one in
-- payment_history; and the news that a gateway has told of and nobody has read.

create table disputes (
    id            text collate "C" primary key,
    payment_id    text collate "C" not null references payments,
    provider_ref  text not null,
    state         text not null, -- the gateway's name
    reason        text not null,
    amount_minor  bigint not null check (amount_minor >= 0),
    currency      text not null,
    evidence_due  timestamptz,
    asked_at      timestamptz not null, -- when the gateway was asked for this; older words do not count
    created_at    timestamptz not null,
    changed_at    timestamptz not null default clock_timestamp(),
    unique (payment_id, provider_ref)
);
create index disputes_by_time on disputes (created_at);
create trigger disputes_history after insert or update or delete on disputes
    for each row execute function record_payment_state();

-- look_at: the gateway has news of the payment, which somebody is to read then.
alter table payments add column look_at timestamptz;
create index payments_to_look_at on payments (look_at) where look_at is not null;

---- create above / drop below ----

drop index payments_to_look_at;
alter table payments drop column look_at;
drop table disputes;
