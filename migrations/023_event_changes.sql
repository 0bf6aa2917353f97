-- A calendar takes STATUS:CANCELLED from a newer file only (RFC 5545: SEQUENCE).
drop trigger events_sequence on events;
create trigger events_sequence before update on events for each row
    when ((old.name, old.starts_at, old.venue_id, old.description, old.canceled_at) is distinct from (new.name, new.starts_at, new.venue_id, new.description, new.canceled_at))
    execute function count_event_change();

---- create above / drop below ----

drop trigger events_sequence on events;
create trigger events_sequence before update on events for each row
    when ((old.name, old.starts_at, old.venue_id, old.description) is distinct from (new.name, new.starts_at, new.venue_id, new.description))
    execute function count_event_change();
