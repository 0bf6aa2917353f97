-- Stock, reservations, orders, payments, tickets, outbox.

-- One row per event: the clerk's lock and its fencing token.
create table sales (
    event_id text collate "C" primary key references events,
    fence    bigint not null default 0
);

create table stock (
    ticket_type_id text collate "C" primary key references ticket_types,
    event_id       text collate "C" not null references sales,
    capacity       int not null check (capacity >= 0),
    held           int not null default 0 check (held >= 0),
    sold           int not null default 0 check (sold >= 0),
    check (held + sold <= capacity)
);
create index stock_by_event on stock (event_id);

create table reservations (
    id           text collate "C" primary key,
    event_id     text collate "C" not null,
    fan_id       text collate "C" not null,
    pass_id      text not null,
    request_hash bytea not null,
    state        text not null check (state in ('held', 'converted', 'expired', 'released', 'rejected')),
    reason       text not null default '', -- the code of a rejection
    message      text not null default '',
    deadline     timestamptz not null,
    created_at   timestamptz not null default now(),
    ended_at     timestamptz
);
create index reservations_by_fan on reservations (event_id, fan_id);
create index reservations_due on reservations (deadline) where state = 'held';

create table reservation_items (
    reservation_id text collate "C" not null references reservations,
    ticket_type_id text collate "C" not null,
    quantity       int not null check (quantity > 0),
    unit_minor     bigint not null check (unit_minor >= 0),
    currency       text not null,
    primary key (reservation_id, ticket_type_id)
);

create table orders (
    id             text collate "C" primary key,
    event_id       text collate "C" not null references events,
    reservation_id text collate "C" not null unique references reservations,
    fan_id         text collate "C" not null,
    email          text not null,
    state          text not null check (state in ('pending', 'paid', 'expired', 'canceled')),
    total_minor    bigint not null check (total_minor >= 0),
    currency       text not null,
    created_at     timestamptz not null default now(),
    accepted_at    timestamptz, -- the clerk has moved the stock from held to sold
    ended_at       timestamptz
);
create index orders_by_fan on orders (fan_id, created_at);

create table payments (
    id              text collate "C" primary key,
    order_id        text collate "C" not null references orders,
    provider        text not null,
    provider_ref    text,
    idempotency_key text not null unique,
    state           text not null check (state in ('created', 'pending', 'authorized', 'confirmed', 'failed', 'canceled')),
    amount_minor    bigint not null check (amount_minor >= 0),
    currency        text not null,
    created_at      timestamptz not null default now(),
    changed_at      timestamptz not null default now(),
    unique (provider, provider_ref)
);
create index payments_by_order on payments (order_id);
create index payments_open on payments (changed_at) where state in ('created', 'pending', 'authorized');

create table refunds (
    id              text collate "C" primary key,
    payment_id      text collate "C" not null references payments,
    provider_ref    text,
    idempotency_key text not null unique,
    state           text not null check (state in ('created', 'transit', 'done', 'failed')),
    amount_minor    bigint not null check (amount_minor > 0),
    currency        text not null,
    reason          text not null,
    created_at      timestamptz not null default now(),
    changed_at      timestamptz not null default now()
);

-- Every state that a payment or refund has been in: written by a trigger, never changed.
create table payment_history (
    seq     bigint generated always as identity primary key,
    kind    text not null,
    id      text collate "C" not null,
    state   text not null,
    at      timestamptz not null default clock_timestamp()
);

create function record_payment_state() returns trigger language plpgsql as $$
begin
    if tg_op = 'DELETE' then
        raise exception 'payments and refunds are append-only';
    end if;
    if tg_op = 'INSERT' or new.state <> old.state then
        insert into payment_history (kind, id, state) values (tg_table_name, new.id, new.state);
    end if;
    return new;
end $$;
create trigger payments_history after insert or update or delete on payments
    for each row execute function record_payment_state();
create trigger refunds_history after insert or update or delete on refunds
    for each row execute function record_payment_state();

create function refuse_change() returns trigger language plpgsql as $$
begin
    raise exception '% is append-only', tg_table_name;
end $$;
create trigger payment_history_append_only before update or delete on payment_history
    for each row execute function refuse_change();

-- Webhooks seen, by the provider's event id; written in the transaction of their effect.
create table webhook_events (
    provider    text not null,
    event_id    text not null,
    received_at timestamptz not null default now(),
    primary key (provider, event_id)
);

create table tickets (
    id             text collate "C" primary key,
    order_id       text collate "C" not null references orders,
    event_id       text collate "C" not null references events,
    ticket_type_id text collate "C" not null references ticket_types,
    fan_id         text collate "C" not null,
    revision       int not null default 1,
    state          text not null check (state in ('issued', 'checked_in', 'transferred', 'revoked')),
    issued_at      timestamptz not null default now()
);
create index tickets_by_order on tickets (order_id);
create index tickets_by_fan on tickets (fan_id);

-- Domain events, written in the transaction of what they tell; relayed at least once.
create table outbox (
    seq        bigint generated always as identity primary key,
    event_id   text collate "C" not null,
    kind       text not null,
    version    int not null default 1,
    subject    text not null,
    payload    jsonb not null,
    created_at timestamptz not null default now(),
    relayed_at timestamptz
);
create index outbox_waiting on outbox (seq) where relayed_at is null;

-- The sandbox gateway's own books: as far from ours as a real gateway's.
create table sandbox_intents (
    ref             text primary key,
    idempotency_key text not null unique,
    state           text not null check (state in ('requires_confirmation', 'requires_action', 'requires_capture', 'succeeded', 'failed', 'canceled')),
    amount_minor    bigint not null,
    refunded_minor  bigint not null default 0,
    currency        text not null,
    client_secret   text not null,
    metadata        jsonb not null default '{}',
    created_at      timestamptz not null default now()
);

create table sandbox_webhooks (
    seq          bigint generated always as identity primary key,
    event_id     text not null,
    ref          text not null references sandbox_intents,
    kind         text not null,
    due_at       timestamptz not null default now(),
    attempts     int not null default 0,
    delivered_at timestamptz
);
create index sandbox_webhooks_due on sandbox_webhooks (due_at) where delivered_at is null;

---- create above / drop below ----

drop table sandbox_webhooks, sandbox_intents, outbox, tickets, webhook_events, payment_history, refunds, payments, orders, reservation_items, reservations, stock, sales;
drop function record_payment_state, refuse_change;
