-- A verdict rests on a third arm and on two more phases; a job may repeat another.

alter type arm add value 'random';
alter type phase add value 'self_check' before 'export';
alter type phase add value 'certify' before 'export';

-- What the report says, so that lists need not read it.
alter table jobs add column verdict text generated always as (report ->> 'verdict') stored;

-- The job this one runs again.
alter table jobs add column reproduces uuid constraint jobs_reproduces_fkey references jobs (id) on delete set null;
