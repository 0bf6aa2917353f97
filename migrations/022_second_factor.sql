-- A second factor, invitations and keys for programs (identity).

alter table accounts
    add column totp_secret bytea,            -- also while it is being set up
    add column totp_since  timestamptz,      -- null: not in force
    add column totp_step   bigint not null default 0; -- the last time step that was used: each code counts once
alter table sessions add column totp boolean not null default false;

create table recovery_codes (
    account_id text collate "C" not null references accounts,
    code       bytea not null,                -- a MAC of it
    primary key (account_id, code)
);

create table invitations (
    id              text collate "C" primary key,
    organization_id text collate "C" not null references organizations,
    email           text not null,
    role            text not null check (role in ('owner', 'organizer', 'box_office', 'gate', 'viewer')),
    invited_by      text not null,
    created_at      timestamptz not null default now(),
    expires_at      timestamptz not null,
    accepted_at     timestamptz,
    revoked_at      timestamptz
);
create index invitations_by_organization on invitations (organization_id, created_at);

create table api_keys (
    id              text collate "C" primary key,
    organization_id text collate "C" not null references organizations,
    name            text not null,
    prefix          text not null unique,     -- shown in lists
    secret          bytea not null check (octet_length(secret) = 32), -- SHA-256
    scopes          text[] not null,
    created_by      text not null,
    created_at      timestamptz not null default now(),
    last_used_at    timestamptz,
    revoked_at      timestamptz
);
create index api_keys_by_organization on api_keys (organization_id, created_at);

---- create above / drop below ----

drop table api_keys, invitations, recovery_codes;
alter table sessions drop column totp;
alter table accounts drop column totp_secret, drop column totp_since, drop column totp_step;
