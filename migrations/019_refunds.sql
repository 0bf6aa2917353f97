-- Refunds that organizers ask for, orders that they cancel, events that do not take place.

alter table refunds add column asked_by text not null default ''; -- empty: the house by itself

-- The money that goes back is never more than what was captured. The payment's row is locked, so two
-- refunds at once are added up one after the other; a refund that failed for good does not count.
create function refund_within_payment() returns trigger language plpgsql as $$
declare
    captured bigint;
    given    bigint;
begin
    select amount_minor into captured from payments where id = new.payment_id for update;
    select coalesce(sum(amount_minor), 0) into given from refunds
        where payment_id = new.payment_id and state <> 'failed' and idempotency_key <> new.idempotency_key;
    if given + new.amount_minor > captured then
        raise exception 'refunds of % and % are more than the payment of %', given, new.amount_minor, captured
            using errcode = 'check_violation', constraint = 'refund_within_payment';
    end if;
    return new;
end $$;
create trigger refunds_within_payment before insert on refunds
    for each row execute function refund_within_payment();
create function refuse_amount_change() returns trigger language plpgsql as $$
begin
    raise exception 'the amount of a % is append-only', tg_table_name;
end $$;
create trigger refunds_keep_amounts before update on refunds for each row
    when (old.amount_minor <> new.amount_minor or old.currency <> new.currency or old.payment_id <> new.payment_id)
    execute function refuse_amount_change();

alter table tickets
    add column refund_id text collate "C" references refunds, -- whose money went back
    add column returned  boolean not null default false;      -- its stock was given back to the shelf

-- Sold stock that goes back to the shelf, found and done by the event's clerk.
create table stock_returns (
    id             text collate "C" primary key,
    event_id       text collate "C" not null,
    order_id       text collate "C" not null references orders,
    reservation_id text collate "C" not null references reservations,
    items          jsonb not null check (jsonb_typeof(items) = 'array'), -- [{"ticket_type", "quantity"}]
    asked_by       text not null,
    created_at     timestamptz not null default clock_timestamp(),
    done_at        timestamptz
);
create index stock_returns_owed on stock_returns (event_id, created_at) where done_at is null;

-- cancel_at: an organizer wants the order to end. While it is pending that is the clerk's work; once it
-- is paid, a sweep's, which gives the money back.
alter table orders
    add column cancel_at      timestamptz,
    add column cancel_by      text not null default '',
    add column cancel_reason  text not null default '',
    add column cancel_restock boolean not null default false,
    add column cancel_cause   text not null default 'organizer' check (cancel_cause in ('organizer', 'event'));
create index orders_to_cancel on orders (event_id, cancel_at) where cancel_at is not null and state in ('pending', 'paid');
create index orders_by_time on orders (event_id, created_at, id);
create index orders_by_email on orders (lower(email) text_pattern_ops);
create index outbox_by_subject on outbox (subject);

alter table events add column canceled_at timestamptz;
create table cancellations (
    event_id    text collate "C" primary key references events,
    reason      text not null,
    asked_by    text not null,
    asked_at    timestamptz not null default clock_timestamp(),
    finished_at timestamptz -- nothing is owed to anybody any more
);

-- When a loop that many processes run was last run by one of them.
create table paces (
    name text primary key,
    at   timestamptz not null
);

---- create above / drop below ----

drop table paces, cancellations;
alter table events drop column canceled_at;
drop index outbox_by_subject, orders_by_email, orders_by_time;
alter table orders drop column cancel_at, drop column cancel_by, drop column cancel_reason, drop column cancel_restock, drop column cancel_cause;
drop table stock_returns;
alter table tickets drop column returned, drop column refund_id;
drop trigger refunds_keep_amounts on refunds;
drop trigger refunds_within_payment on refunds;
drop function refund_within_payment, refuse_amount_change;
alter table refunds drop column asked_by;
