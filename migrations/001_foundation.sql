-- Keys and secrets of the house (internal/keyring), the catalog and identity.

create table secrets (
    purpose    text primary key,
    value      bytea not null check (octet_length(value) = 32),
    created_at timestamptz not null default now()
);

create table signing_keys (
    id         smallint generated always as identity primary key,
    purpose    text not null,
    seed       bytea not null check (octet_length(seed) = 32),
    created_at timestamptz not null default now(),
    retired_at timestamptz
);

create table venues (
    id        text collate "C" primary key,
    name      text not null,
    address   text not null,
    city      text not null,
    time_zone text not null
);

create table events (
    id          text collate "C" primary key,
    venue_id    text collate "C" not null references venues,
    name        text not null,
    description text not null default '',
    starts_at   timestamptz not null,
    drop_at     timestamptz not null,
    closes_at   timestamptz not null check (closes_at > drop_at),
    created_at  timestamptz not null default now()
);
create index events_by_drop on events (drop_at, id);

create table ticket_types (
    id            text collate "C" primary key,
    event_id      text collate "C" not null references events,
    name          text not null,
    price_minor   bigint not null check (price_minor >= 0),
    currency      text not null check (currency ~ '^[A-Z]{3}$'),
    max_per_order int not null check (max_per_order > 0),
    max_per_fan   int not null check (max_per_fan > 0),
    ordinal       int not null,
    unique (event_id, ordinal)
);

create table accounts (
    id            text collate "C" primary key,
    email         text not null,
    password_hash text not null,
    role          text not null check (role in ('owner', 'organizer')),
    created_at    timestamptz not null default now()
);
create unique index accounts_by_email on accounts (lower(email));

create table sessions (
    token_hash bytea primary key,
    account_id text collate "C" not null references accounts,
    created_at timestamptz not null default now(),
    expires_at timestamptz not null
);

-- What a request with an Idempotency-Key answered (web).
create table idempotency_keys (
    scope        text not null, -- who asks, and for what
    key          text not null,
    request_hash bytea not null,
    status       int,
    body         bytea,
    created_at   timestamptz not null default now(),
    primary key (scope, key)
);

---- create above / drop below ----

drop table idempotency_keys, sessions, accounts, ticket_types, events, venues, signing_keys, secrets;
