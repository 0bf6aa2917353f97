-- orders_by_email finds an address by equality too.
drop index orders_without_account;

---- create above / drop below ----

create index orders_without_account on orders (lower(email)) where account_id is null;
