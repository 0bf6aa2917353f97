-- Old news may go, once every reader has taken them; nothing else of the outbox
-- may. The days are the least that anybody may choose to keep them.

create function refuse_outbox_change() returns trigger language plpgsql as $$
begin
    if tg_op = 'DELETE' and old.created_at < now() - interval '7 days' and old.seq <= (select min(seq) from outbox_cursors) then
        return old;
    end if;
    raise exception 'outbox is append-only';
end $$;
drop trigger outbox_append_only on outbox;
create trigger outbox_append_only before update or delete on outbox
    for each row execute function refuse_outbox_change();
create index idempotency_keys_by_age on idempotency_keys (created_at);

---- create above / drop below ----

drop index idempotency_keys_by_age;
drop trigger outbox_append_only on outbox;
drop function refuse_outbox_change();
create trigger outbox_append_only before update or delete on outbox
    for each row execute function refuse_change();
