-- The lobby and its draw (package queue).

alter table events
    add column lobby_at timestamptz check (lobby_at < drop_at); -- null: no lobby, no draw

alter table lines
    add column begun boolean not null default false; -- Redis has held this lobby before

-- One row for each event with a lobby; see package queue for the states.
create table draws (
    event_id     text collate "C" primary key references events,
    state        text not null default 'open' check (state in ('open', 'closed', 'mixed', 'numbered', 'done')),
    seed         bytea not null check (octet_length(seed) = 32), -- secret until the state is mixed
    commitment   bytea not null check (octet_length(commitment) = 32),
    source       text not null,                   -- where outside entropy is promised from
    promise      text not null default '',        -- which value exactly, in words or as a round
    wait_seconds int not null check (wait_seconds between 0 and 604800),
    entrants     bigint check (entrants >= 0),
    root         bytea check (octet_length(root) = 32),
    mixed_from   text,                            -- where the entropy came from in the end
    value        text,                            -- as it was given
    entropy      bytea check (octet_length(entropy) = 32),
    created_at   timestamptz not null default now(),
    closed_at    timestamptz,
    mixed_at     timestamptz,
    numbered_at  timestamptz,
    done_at      timestamptz,
    check (state = 'open' or (entrants is not null and root is not null and closed_at is not null)),
    check (state in ('open', 'closed') or (entropy is not null and mixed_from is not null and mixed_at is not null)),
    check (state <> 'done' or done_at is not null)
);
create index draws_to_do on draws (event_id) where state <> 'done';

-- The fans of a lobby when it closed, sorted, 26 bytes each, in pages.
create table draw_entrants (
    event_id text collate "C" not null references draws,
    page     int not null,
    first    text collate "C" not null,
    fans     bytea not null check (octet_length(fans) % 26 = 0),
    root     bytea not null check (octet_length(root) = 32), -- of the page's Merkle tree
    primary key (event_id, page)
);
alter table draw_entrants alter column fans set storage external; -- random ids do not compress

---- create above / drop below ----

drop table draw_entrants, draws;
alter table lines drop column begun;
alter table events drop column lobby_at;
