-- What a join costs: the most that the number to be found can be; 0 for nothing.

alter table admission_rules add column work int not null default 0 check (work between 0 and 10000000);

---- create above / drop below ----

alter table admission_rules drop column work;
