-- What queue and admission keep where Redis cannot lose it.

create table lines (
    event_id      text collate "C" primary key references events,
    epoch         bigint not null default 1 check (epoch > 0),
    high_water    bigint not null default 0,  -- numbers below it may have been given out
    admitted_high bigint not null default -1  -- the highest number known to be admitted
);

-- Every version of an event's rules; the highest is in force.
create table admission_rules (
    event_id        text collate "C" not null references events,
    version         bigint not null check (version > 0),
    rate_per_minute int not null check (rate_per_minute between 0 and 1000000),
    burst           int not null check (burst between 1 and 1000000),
    max_shoppers    int not null check (max_shoppers between 1 and 1000000),
    batch           int not null check (batch between 1 and 1000),
    paused          boolean not null,
    stock_gate      boolean not null,
    show_up_seconds int not null check (show_up_seconds between 5 and 86400),
    shop_seconds    int not null check (shop_seconds between 10 and 86400),
    changed_by      text not null,
    changed_at      timestamptz not null default now(),
    primary key (event_id, version)
);

---- create above / drop below ----

drop table admission_rules, lines;
