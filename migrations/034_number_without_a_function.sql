-- A row of the outbox takes its number without a call of PL/pgSQL. The order is as before: the condition of a case comes
-- before its result, so whoever has a number has a transaction id.
alter table outbox alter column seq set default case when pg_current_xact_id() is not null then nextval('outbox_seq') end;
drop function next_outbox_seq();

---- create above / drop below ----

create function next_outbox_seq() returns bigint language plpgsql as $$
begin
    perform pg_current_xact_id();
    return nextval('outbox_seq');
end $$;
alter table outbox alter column seq set default next_outbox_seq();
