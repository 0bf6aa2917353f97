-- Accounts of fans beside those of organizers (identity), and the orders that belong to them (checkout).

alter table accounts
    drop constraint accounts_role_check,
    add constraint accounts_role_check check (role in ('owner', 'organizer', 'fan')),
    add column password_at timestamptz not null default now(); -- links to reset the password die with the old one

alter table sessions add column device text not null default ''; -- what the browser calls itself
create index sessions_by_account on sessions (account_id);

-- Links that were opened, until they would have run out anyway: each works once.
create table used_links (
    nonce      bytea primary key check (octet_length(nonce) = 16),
    expires_at timestamptz not null
);

alter table orders add column account_id text collate "C" references accounts;
create index orders_by_account on orders (account_id, created_at) where account_id is not null;
create index orders_without_account on orders (lower(email)) where account_id is null;

alter table events add column one_per text not null default 'fan' check (one_per in ('fan', 'account'));

---- create above / drop below ----

alter table events drop column one_per;
alter table orders drop column account_id;
drop table used_links;
drop index sessions_by_account;
alter table sessions drop column device;
alter table accounts drop column password_at;
