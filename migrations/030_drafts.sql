-- An event without published_at is a draft: nobody sees it but its organizers.
alter table events add column published_at timestamptz;
update events set published_at = created_at;

---- create above / drop below ----

alter table events drop column published_at;
