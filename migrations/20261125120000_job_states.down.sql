-- A word of an enum cannot be dropped. Unused it is in nobody's way, so the words stay.

select 1;
