-- The outbox becomes append-only: its numbers can be relied on, and each reader
-- keeps its own place (internal/outbox).

create sequence outbox_seq;

-- A number is taken by a transaction that has its transaction id already, so
-- that whoever reads the sequence and then takes an id of its own knows: every
-- number up to the one it read belongs to a transaction older than itself.
create function next_outbox_seq() returns bigint language plpgsql as $$
begin
    perform pg_current_xact_id();
    return nextval('outbox_seq');
end $$;

select setval('outbox_seq', max(seq)) from outbox having max(seq) is not null;
alter table outbox alter column seq drop identity;
alter table outbox alter column seq set default next_outbox_seq();
alter sequence outbox_seq owned by outbox.seq;

-- Where a reader stands: it has taken every row up to seq.
create table outbox_cursors (
    consumer   text primary key,
    seq        bigint not null default 0,
    moved_at   timestamptz not null default now()
);
insert into outbox_cursors (consumer, seq)
    select 'stream', coalesce(min(seq) - 1, (select coalesce(max(seq), 0) from outbox)) from outbox where relayed_at is null;

drop index outbox_waiting;
alter table outbox drop column relayed_at;
create index outbox_by_event on outbox (event_id, seq);
create trigger outbox_append_only before update or delete on outbox
    for each row execute function refuse_change();

---- create above / drop below ----

drop table outbox_cursors;
drop trigger outbox_append_only on outbox;
drop index outbox_by_event;
alter table outbox add column relayed_at timestamptz;
create index outbox_waiting on outbox (seq) where relayed_at is null;
alter table outbox alter column seq drop default;
alter sequence outbox_seq owned by none;
drop sequence outbox_seq cascade;
drop function next_outbox_seq();
alter table outbox alter column seq add generated always as identity;
