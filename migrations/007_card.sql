-- What a gateway tells of the card of a payment's last attempt, and of its risk.
-- Empty and null: not told. The card's number never comes here.

alter table payments
    add column card_fingerprint text not null default '',
    add column card_brand       text not null default '',
    add column card_last4       text not null default '',
    add column card_country     text not null default '',
    add column risk_score       int check (risk_score between 0 and 100),
    add column risk_level       text not null default '';
create index payments_by_card on payments (card_fingerprint, created_at) where card_fingerprint <> '';

alter table sandbox_intents
    add column card_fingerprint text not null default '',
    add column card_brand       text not null default '',
    add column card_last4       text not null default '',
    add column card_country     text not null default '',
    add column risk_score       int not null default -1,
    add column risk_level       text not null default '';

---- create above / drop below ----

drop index payments_by_card;
alter table payments
    drop column card_fingerprint, drop column card_brand, drop column card_last4, drop column card_country,
    drop column risk_score, drop column risk_level;
alter table sandbox_intents
    drop column card_fingerprint, drop column card_brand, drop column card_last4, drop column card_country,
    drop column risk_score, drop column risk_level;
