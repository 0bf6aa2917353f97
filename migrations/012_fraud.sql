-- What is thought of an order's honesty, and the orders that a person looks at.

-- verdict is what came of an authorization's look (package fraud), written with the authorization; the clerk
-- carries it to the order when it decides about the stock. declines counts attempts that the gateway declined.
alter table payments
    add column verdict  jsonb,
    add column declines int not null default 0 check (declines >= 0),
    drop constraint payments_duty_check,
    add constraint payments_duty_check check (duty in ('create', 'watch', 'settle', 'review', 'capture', 'void', 'unwind'));

-- risk_decision is null until the order's payment is authorized. review_at_deadline: what happens when nobody decides.
alter table orders
    add column risk_score         real check (risk_score between 0 and 1),
    add column risk_decision      text constraint orders_risk_decision_check check (risk_decision in ('allow', 'review', 'reject')),
    add column risk_reasons       text[] not null default '{}',
    add column review_deadline    timestamptz,
    add column review_at_deadline text check (review_at_deadline in ('allow', 'reject')),
    add column reviewed_by        text,
    add column reviewed_at        timestamptz,
    add column review_note        text not null default '',
    add check (risk_decision is distinct from 'review' or review_deadline is not null and review_at_deadline is not null),
    add check ((reviewed_by is null) = (reviewed_at is null));
create index orders_in_review on orders (event_id, review_deadline, id) where risk_decision = 'review';

-- Every version of an event's thresholds; the highest is in force. No row: the defaults of package fraud.
create table fraud_settings (
    event_id     text collate "C" not null references events,
    version      bigint not null check (version > 0),
    enabled      boolean not null,
    review_at    real not null check (review_at between 0 and 1),
    reject_at    real not null check (reject_at between 0 and 1),
    review_hours int not null check (review_hours between 1 and 144),
    at_deadline  text not null check (at_deadline in ('approve', 'reject')),
    changed_by   text not null,
    changed_at   timestamptz not null default now(),
    primary key (event_id, version),
    check (review_at <= reject_at)
);

-- The signals of an order, as numbers, and the keyed hashes by which it is counted. No address, no e-mail, no device.
create table fraud_orders (
    order_id   text collate "C" primary key references orders,
    event_id   text collate "C" not null,
    fan_id     text collate "C" not null,
    model      text not null,
    signals    jsonb not null,
    traces     jsonb not null,
    score      real not null,
    label      smallint check (label in (0, 1)), -- what a person has said: 1 fraud
    created_at timestamptz not null default now(),
    scored_at  timestamptz -- with the authorization; null: placed only
);
create index fraud_orders_by_event on fraud_orders (event_id, order_id);
create index fraud_orders_by_age on fraud_orders (created_at) where traces <> '{}';

---- create above / drop below ----

drop table fraud_orders, fraud_settings;
drop index orders_in_review;
alter table orders
    drop column risk_score, drop column risk_decision, drop column risk_reasons, drop column review_deadline, drop column review_at_deadline,
    drop column reviewed_by, drop column reviewed_at, drop column review_note;
alter table payments
    drop constraint payments_duty_check,
    add constraint payments_duty_check check (duty in ('create', 'watch', 'settle', 'capture', 'void', 'unwind')),
    drop column verdict, drop column declines;
