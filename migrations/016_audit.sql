-- Every change that somebody made at the desk: append-only (identity).

create table audit_log (
    id              bigint generated always as identity primary key,
    at              timestamptz not null default clock_timestamp(),
    organization_id text collate "C",          -- whose thing it was; null: the house's
    account_id      text collate "C",          -- null: the house itself
    actor           text not null,             -- as it called itself then: an address, or a key's name
    action          text not null,
    object          text not null,             -- kind/id
    before          jsonb,
    after           jsonb,
    address         text not null default ''   -- MAC of the network address
);
create index audit_by_organization on audit_log (organization_id, id);
create index audit_by_object on audit_log (object, id);
create trigger audit_log_append_only before update or delete on audit_log
    for each row execute function refuse_change();
create trigger audit_log_never_emptied before truncate on audit_log
    for each statement execute function refuse_change();

---- create above / drop below ----

drop table audit_log;
