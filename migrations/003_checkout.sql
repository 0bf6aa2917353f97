-- Stock, reservations, orders, payments, tickets, outbox, and the sandbox gateway's own books.

-- One row per event: the clerk's lock, its fencing token, and how often its stock has changed.
create table sales (
    event_id text collate "C" primary key references events,
    fence    bigint not null default 0,
    version  bigint not null default 0
);

create table stock (
    ticket_type_id text collate "C" primary key references ticket_types,
    event_id       text collate "C" not null references sales,
    capacity       int not null check (capacity >= 0),
    held           int not null default 0 check (held >= 0),
    sold           int not null default 0 check (sold >= 0),
    constraint stock_never_oversold check (held + sold <= capacity)
);
create index stock_by_event on stock (event_id);

-- Every decided request, the rejected ones too. items is an array of
-- {"ticket_type", "quantity", "unit_minor", "currency"}: one row a request,
-- because the clerk writes thousands of them a second.
create table reservations (
    id           text collate "C" primary key,
    event_id     text collate "C" not null,
    fan_id       text collate "C" not null,
    pass_id      text not null,
    request_hash bytea not null,
    state        text not null check (state in ('held', 'converted', 'expired', 'released', 'rejected')),
    reason       text not null default '', -- the code of a rejection
    message      text not null default '',
    items        jsonb not null check (jsonb_typeof(items) = 'array'),
    deadline     timestamptz not null,
    created_at   timestamptz not null default now(),
    ended_at     timestamptz,
    check ((state = 'held') = (ended_at is null)),
    check ((state = 'rejected') = (reason <> ''))
);
create index reservations_by_fan on reservations (event_id, fan_id);
create index reservations_due on reservations (event_id, deadline) where state = 'held';

create table orders (
    id              text collate "C" primary key,
    event_id        text collate "C" not null references events,
    reservation_id  text collate "C" not null unique references reservations,
    fan_id          text collate "C" not null,
    email           text not null,
    state           text not null check (state in ('pending', 'paid', 'expired', 'canceled')),
    total_minor     bigint not null check (total_minor >= 0),
    currency        text not null,
    idempotency_key text not null,
    request_hash    bytea not null,
    created_at      timestamptz not null default now(),
    accepted_at     timestamptz, -- the clerk has moved the stock from held to sold
    ended_at        timestamptz,
    unique (fan_id, idempotency_key),
    check (state <> 'paid' or accepted_at is not null)
);
create index orders_by_fan on orders (fan_id, created_at);
create index orders_by_event on orders (event_id);

-- duty is what the house still owes a payment, and duty_at when it is to be
-- done next; a sweep finds each. No duty: nothing is left to do.
create table payments (
    id              text collate "C" primary key,
    order_id        text collate "C" not null references orders,
    event_id        text collate "C" not null references events,
    provider        text not null,
    provider_ref    text,
    client_secret   text not null default '',
    idempotency_key text not null unique,
    state           text not null check (state in ('created', 'pending', 'authorized', 'confirmed', 'failed', 'canceled')),
    amount_minor    bigint not null check (amount_minor >= 0),
    currency        text not null,
    failure         text not null default '', -- the gateway's last word on a decline
    duty            text check (duty in ('create', 'watch', 'settle', 'capture', 'void', 'unwind')),
    duty_at         timestamptz not null default now(),
    attempts        int not null default 0,
    created_at      timestamptz not null default now(),
    changed_at      timestamptz not null default now(),
    unique (provider, provider_ref)
);
create index payments_by_order on payments (order_id);
create index payments_owed on payments (duty_at) where duty is not null;
create index payments_for_the_clerk on payments (event_id, duty_at) where duty in ('settle', 'unwind');

create table refunds (
    id              text collate "C" primary key,
    payment_id      text collate "C" not null references payments,
    provider_ref    text,
    idempotency_key text not null unique,
    state           text not null check (state in ('created', 'transit', 'done', 'failed')),
    amount_minor    bigint not null check (amount_minor > 0),
    currency        text not null,
    reason          text not null,
    due_at          timestamptz not null default now(),
    attempts        int not null default 0,
    created_at      timestamptz not null default now(),
    changed_at      timestamptz not null default now()
);
create index refunds_by_payment on refunds (payment_id);
create index refunds_owed on refunds (due_at) where state in ('created', 'transit');

-- Every state that a payment or refund has been in: written by a trigger, never changed.
create table payment_history (
    seq     bigint generated always as identity primary key,
    kind    text not null,
    id      text collate "C" not null,
    state   text not null,
    at      timestamptz not null default clock_timestamp()
);
create index payment_history_by_id on payment_history (id);

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
    ordinal        int not null check (ordinal > 0), -- among the order's tickets
    fan_id         text collate "C" not null,
    revision       int not null default 1 check (revision between 1 and 65535),
    state          text not null check (state in ('issued', 'checked_in', 'transferred', 'revoked')),
    issued_at      timestamptz not null default now(),
    unique (order_id, ordinal)
);
create index tickets_by_fan on tickets (fan_id);
create index tickets_by_event on tickets (event_id);

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
    state           text not null check (state in ('requires_confirmation', 'requires_action', 'processing', 'requires_capture', 'succeeded', 'failed', 'canceled')),
    amount_minor    bigint not null check (amount_minor > 0),
    refunded_minor  bigint not null default 0 check (refunded_minor between 0 and amount_minor),
    currency        text not null,
    client_secret   text not null,
    decline         text not null default '',
    capture_fails   boolean not null default false,
    ready_at        timestamptz, -- when processing ends
    metadata        jsonb not null default '{}',
    created_at      timestamptz not null default now()
);

create table sandbox_refunds (
    ref             text primary key,
    intent          text not null references sandbox_intents,
    idempotency_key text not null unique,
    amount_minor    bigint not null check (amount_minor > 0),
    created_at      timestamptz not null default now()
);

create table sandbox_webhooks (
    seq          bigint generated always as identity primary key,
    event_id     text not null,
    ref          text not null references sandbox_intents,
    kind         text not null,
    created_at   timestamptz not null default now(),
    due_at       timestamptz not null default now(),
    attempts     int not null default 0,
    delivered_at timestamptz
);
create index sandbox_webhooks_due on sandbox_webhooks (due_at) where delivered_at is null;

---- create above / drop below ----

drop table sandbox_webhooks, sandbox_refunds, sandbox_intents, outbox, tickets, webhook_events, payment_history, refunds, payments, orders, reservations, stock, sales;
drop function record_payment_state, refuse_change;
