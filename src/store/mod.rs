//! Postgres: every SQL statement of the program.
