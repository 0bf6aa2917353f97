-- What a sale looked like, every five seconds, for the organizer's plots and the report afterwards (web/desk).

-- A row holds from its first sample to its last: a sale that rests costs one row, and what no row covers was not seen.
create table sale_samples (
    event_id text collate "C" not null references events,
    at       timestamptz not null,
    until    timestamptz not null check (until >= at),
    numbers  jsonb not null,
    primary key (event_id, at)
);

-- How many payments of an event failed is asked every second while somebody looks.
create index payments_failed on payments (event_id) where state = 'failed';

---- create above / drop below ----

drop index payments_failed;
drop table sale_samples;
