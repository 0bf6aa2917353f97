-- What a payment is for is said once, as for refunds: the money that was asked for stands in the books as it was.
create trigger payments_keep_amounts before update on payments for each row
    when (old.amount_minor <> new.amount_minor or old.currency <> new.currency or old.order_id <> new.order_id)
    execute function refuse_amount_change();

---- create above / drop below ----

drop trigger payments_keep_amounts on payments;
