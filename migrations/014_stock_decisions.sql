-- What a clerk decided about letters that have no row of their own, sale windows of ticket types,
-- and limits over several identities.

-- Changes of a reservation, by its fan, and of a capacity, by an organizer: also those that were refused.
create table stock_decisions (
    id           text collate "C" primary key, -- the letter's
    event_id     text collate "C" not null,
    kind         text not null check (kind in ('change', 'capacity')),
    subject      text collate "C" not null,    -- the reservation or the ticket type
    actor        text not null,                -- the fan, or the organizer's address
    request_hash bytea not null,
    reason       text not null default '',     -- the code of a refusal; empty: done
    message      text not null default '',
    before       jsonb not null,               -- items, or the capacity
    wanted       jsonb not null,
    at           timestamptz not null
);
create index stock_decisions_by_subject on stock_decisions (subject, at);
create trigger stock_decisions_append_only before update or delete on stock_decisions
    for each row execute function refuse_change();

alter table ticket_types
    add column sale_from  timestamptz,                               -- null: from the drop on
    add column sale_until timestamptz check (sale_until > sale_from); -- null: until the event's sale closes

-- Whether identities that share an address or a card count as one fan for the limits.
alter table events add column limit_across text not null default 'none' check (limit_across in ('none', 'address', 'card', 'both'));

alter table orders
    add column address_key text not null default '', -- the address with its spellings made one
    add column reason      text not null default '', -- why the clerk refused the order: a code
    add column message     text not null default '';
create index orders_by_address on orders (event_id, address_key) where address_key <> '';

---- create above / drop below ----

alter table orders drop column address_key, drop column reason, drop column message;
alter table events drop column limit_across;
alter table ticket_types drop column sale_from, drop column sale_until;
drop table stock_decisions;
