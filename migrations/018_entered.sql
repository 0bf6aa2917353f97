-- Who is in, for gates that may lose the network: rows by when they can have been seen (checkout.Entered).

alter table checkins add column xid xid8 not null default pg_current_xact_id();
create index checkins_entered on checkins (event_id, seq) where result in ('accepted', 'undone');

---- create above / drop below ----

drop index checkins_entered;
alter table checkins drop column xid;
