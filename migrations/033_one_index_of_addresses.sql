-- +goose Up
-- orders_by_email finds an address by equality too.
drop index orders_without_account;

-- +goose Down
create index orders_without_account on orders (lower(email)) where account_id is null;
