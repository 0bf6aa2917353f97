-- Tickets that are given to somebody else: the old row stays, void, and a new one of the same order takes its place.

alter table tickets
    add column given_by   text collate "C" unique references tickets, -- the ticket in whose place this one came
    add column email      text,                                       -- to whom it was given; null: it is the order's own
    add column account_id text collate "C" references accounts,       -- of that address, once it is known to be theirs
    add constraint tickets_given_to_somebody check ((given_by is null) = (email is null)),
    add constraint tickets_of_an_account_were_given check (account_id is null or email is not null);
create index tickets_by_account on tickets (account_id) where account_id is not null;
create index tickets_without_account on tickets (lower(email)) where email is not null and account_id is null;

---- create above / drop below ----

drop index tickets_without_account, tickets_by_account;
alter table tickets
    drop constraint tickets_of_an_account_were_given,
    drop constraint tickets_given_to_somebody,
    drop column account_id, drop column email, drop column given_by;
