-- Pictures of events (catalog): each rendition is a JPEG that we made ourselves, under the hash of all renditions of its picture.

create table pictures (
    hash       text collate "C" not null check (hash ~ '^[0-9a-f]{32}$'),
    width      int not null check (width > 0),
    height     int not null check (height > 0),
    jpeg       bytea not null,
    created_at timestamptz not null default now(),
    primary key (hash, width)
);
alter table events
    add column picture     text collate "C",
    add column picture_alt text not null default '',
    add constraint events_picture_in_words check ((picture is null) = (picture_alt = ''));
create index events_by_picture on events (picture) where picture is not null;

---- create above / drop below ----

alter table events drop column picture, drop column picture_alt;
drop table pictures;
