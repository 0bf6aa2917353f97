-- What the box office finds orders by: the end of an id, as pages and tickets show it, and the gateway's name of a payment.
create index orders_by_short_id on orders (right(id, 8));
create index payments_by_ref on payments (provider_ref);
create index checkins_by_ticket on checkins (ticket_id) where ticket_id is not null;

---- create above / drop below ----

drop index checkins_by_ticket, payments_by_ref, orders_by_short_id;
