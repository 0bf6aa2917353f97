-- Messages to people (package notify), and who wants to hear when the turn is near.

create table notifications (
    id         text collate "C" primary key,
    dedupe     text collate "C" not null unique, -- what is told to whom: told once
    kind       text not null,
    channel    text not null check (channel in ('email', 'sms')),
    recipient  text not null,
    event_id   text collate "C" references events, -- null: about an account
    subject    text collate "C" not null, -- the id of the order, refund or fan it is about
    data       jsonb not null default '{}',
    bulk       boolean not null default false, -- one of many alike
    state      text not null default 'queued' check (state in ('queued', 'sending', 'sent', 'failed', 'dead')),
    attempts   int not null default 0,
    due_at     timestamptz default now(), -- next try, or when a try that nobody ended counts as lost
    lease      bigint, -- the release that may deliver it
    last_error text not null default '',
    created_at timestamptz not null default now(),
    changed_at timestamptz not null default now(),
    check ((state in ('sent', 'dead')) = (due_at is null)),
    check (lease is null or due_at is not null)
);
create index notifications_due on notifications (channel, bulk, due_at) where due_at is not null;
create index notifications_leased on notifications (channel, due_at) where lease is not null;
create index notifications_by_state on notifications (state, changed_at);
create index notifications_by_subject on notifications (subject, created_at);

-- The pace of each channel over all nodes: the moment up to which its messages are let go.
create table notification_pace (
    channel text primary key,
    free_at timestamptz not null default now(),
    leases  bigint not null default 0
);
insert into notification_pace (channel) values ('email'), ('sms');

-- Fans who asked to be told. number: null until it is known, in a lobby.
create table turn_alerts (
    event_id   text collate "C" not null references events,
    fan_id     text collate "C" not null,
    channel    text not null check (channel in ('email', 'sms')),
    recipient  text not null,
    number     bigint,
    epoch      bigint not null default 0,
    created_at timestamptz not null default now(),
    told_at    timestamptz, -- or it was found that there is nothing to tell
    primary key (event_id, fan_id)
);
create index turn_alerts_waiting on turn_alerts (event_id, fan_id) where told_at is null;
create index turn_alerts_by_recipient on turn_alerts (event_id, recipient);

---- create above / drop below ----

drop table turn_alerts, notification_pace, notifications;
