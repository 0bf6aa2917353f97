-- What organizers tell everybody who waits or shops (catalog). A row ends when it is taken back or replaced.

create table announcements (
    id       text collate "C" primary key,
    event_id text collate "C" not null references events,
    text     text not null check (char_length(text) between 1 and 280),
    said_by  text not null,
    said_at  timestamptz not null default clock_timestamp(),
    until    timestamptz check (until > said_at), -- null: until it is taken back
    ended_at timestamptz,
    ended_by text check ((ended_by is null) = (ended_at is null))
);
create unique index announcements_in_force on announcements (event_id) where ended_at is null;
create index announcements_by_event on announcements (event_id, said_at);

---- create above / drop below ----

drop table announcements;
