-- The gate: check-ins, revocations, the rotation of keys, and the calendar's count of changes.

-- How often a check-in of this ticket has been undone: each turn has one first scan.
alter table tickets add column turn int not null default 0;

-- Every attempt at a gate, and every check-in undone. accepted: this scan let
-- somebody in. The two unique indexes hold I8, whatever the program does.
create table checkins (
    seq         bigint generated always as identity primary key,
    event_id    text collate "C" not null references events,
    scan_id     text not null check (scan_id <> ''), -- the gate's name for this scan; a sync that is repeated repeats it
    code_hash   bytea not null,
    result      text not null check (result in ('accepted', 'already', 'revoked', 'wrong_event', 'unknown', 'bad_signature', 'undone')),
    ticket_id   text collate "C" references tickets, -- null where the code names none of ours
    revision    int,
    turn        int,
    gate        text not null,
    shown       text not null default '', -- what the gate showed by itself, offline
    scanned_at  timestamptz not null,     -- by the device's clock when it was offline
    recorded_at timestamptz not null default clock_timestamp(),
    by          text not null,
    reason      text not null default '', -- of what was undone
    unique (event_id, scan_id),
    check (result not in ('accepted', 'undone') or ticket_id is not null and revision is not null and turn is not null)
);
create unique index checkins_one_first_scan on checkins (ticket_id, revision, turn) where result = 'accepted';
create unique index checkins_one_undoing on checkins (ticket_id, revision, turn) where result = 'undone';
create index checkins_by_event on checkins (event_id, seq);
create trigger checkins_append_only before update or delete on checkins
    for each row execute function refuse_change();

-- Codes that are void though their signature is good: every revision of the
-- ticket up to this one. xid orders rows by when they can have been seen: see
-- checkout.Revocations.
create table revocations (
    seq        bigint generated always as identity primary key,
    event_id   text collate "C" not null references events,
    ticket_id  text collate "C" not null references tickets,
    revision   int not null,
    cause      text not null check (cause in ('organizer', 'refund', 'canceled', 'reissue', 'transfer')),
    reason     text not null default '',
    by         text not null,
    at         timestamptz not null default clock_timestamp(),
    xid        xid8 not null default pg_current_xact_id()
);
create index revocations_by_event on revocations (event_id, xid);
create index revocations_by_ticket on revocations (ticket_id);
create trigger revocations_append_only before update or delete on revocations
    for each row execute function refuse_change();

-- A new key is published before it signs, so that every node knows it in time.
alter table signing_keys add column active_at timestamptz not null default now();
-- A key's id is one byte in what it signs.
alter table signing_keys add constraint signing_keys_id_is_a_byte check (id between 0 and 255);

-- What a calendar must know of an event's changes (RFC 5545: SEQUENCE, LAST-MODIFIED).
alter table events add column sequence int not null default 0;
alter table events add column changed_at timestamptz not null default now();
create function count_event_change() returns trigger language plpgsql as $$
begin
    new.sequence := old.sequence + 1;
    new.changed_at := clock_timestamp();
    return new;
end $$;
create trigger events_sequence before update on events for each row
    when ((old.name, old.starts_at, old.venue_id, old.description) is distinct from (new.name, new.starts_at, new.venue_id, new.description))
    execute function count_event_change();
create function count_venue_change() returns trigger language plpgsql as $$
begin
    update events set sequence = sequence + 1, changed_at = clock_timestamp() where venue_id = new.id;
    return null;
end $$;
create trigger venues_sequence after update on venues for each row
    when (old.* is distinct from new.*) execute function count_venue_change();

---- create above / drop below ----

drop trigger venues_sequence on venues;
drop trigger events_sequence on events;
drop function count_venue_change, count_event_change;
alter table events drop column changed_at, drop column sequence;
alter table signing_keys drop constraint signing_keys_id_is_a_byte, drop column active_at;
drop table revocations, checkins;
alter table tickets drop column turn;
