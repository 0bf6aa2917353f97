-- Whose events they are, and who may do what with them (identity).

create table organizations (
    id            text collate "C" primary key,
    name          text not null,
    totp_required boolean not null default false, -- nobody acts for it without a second factor
    created_at    timestamptz not null default now()
);
-- The house's own, to which everything belongs that no other organization made.
insert into organizations (id, name) values ('00000000000000000000000000', 'The house');

create table memberships (
    organization_id text collate "C" not null references organizations,
    account_id      text collate "C" not null references accounts,
    role            text not null check (role in ('owner', 'organizer', 'box_office', 'gate', 'viewer')),
    created_at      timestamptz not null default now(),
    primary key (organization_id, account_id)
);
create index memberships_by_account on memberships (account_id);
insert into memberships (organization_id, account_id, role)
    select '00000000000000000000000000', id, role from accounts where role in ('owner', 'organizer');
alter table accounts drop column role;

alter table events add column organization_id text collate "C" not null default '00000000000000000000000000' references organizations;
create index events_by_organization on events (organization_id, drop_at, id);

---- create above / drop below ----

alter table events drop column organization_id;
alter table accounts add column role text not null default 'fan';
drop table memberships, organizations;
