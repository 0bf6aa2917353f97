-- The pace log: what admission did, in a chain of hashes; and the rules that came with it.

alter table admission_rules
    add column schedule           jsonb not null default '[]' check (jsonb_typeof(schedule) = 'array'), -- [{"from", "rate_per_minute"}]
    add column compensate_percent int not null default 0 check (compensate_percent between 0 and 100);

-- Whom an organizer let in past the line, and who asked for it.
create table bypasses (
    id       bigint generated always as identity primary key,
    event_id text collate "C" not null references events,
    numbers  bigint[] not null,
    asked_by text not null,
    asked_at timestamptz not null default now()
);
create trigger bypasses_append_only before update or delete on bypasses
    for each row execute function refuse_change();

-- The end of each event's chain; whoever appends locks its row. feed_offset is the last entry
-- of the line's feed that is in the log, written with it: each entry is logged once.
create table pace_heads (
    event_id    text collate "C" primary key references events,
    seq         bigint not null default 0,
    hash        bytea not null default decode(repeat('00', 32), 'hex') check (octet_length(hash) = 32),
    feed_offset text not null default '0-0'
);

-- data is text, not jsonb: the hash is over its very bytes.
create table pace_entries (
    event_id text collate "C" not null references pace_heads,
    seq      bigint not null check (seq > 0),
    kind     text not null,
    at       timestamptz not null,
    data     text not null,
    hash     bytea not null check (octet_length(hash) = 32),
    primary key (event_id, seq)
);
create trigger pace_entries_append_only before update or delete on pace_entries
    for each row execute function refuse_change();
create trigger pace_entries_never_emptied before truncate on pace_entries
    for each statement execute function refuse_change();

---- create above / drop below ----

drop table pace_entries, pace_heads, bypasses;
alter table admission_rules drop column schedule, drop column compensate_percent;
