//! The pages: what the API answers, for people.
//!
//! A page asks the API's routes in this process, as a client would (`ask`), and writes HTML of the same views; it has no way
//! to anything that the API does not answer. Everything works without script but for live updates and uploads that resume.
//! Drawings are SVG made here. No page loads anything from elsewhere, and none has a style or a script of its own, which
//! the policy that goes out with each (`headers`) forbids.
//!
//! One file per page, with its template of the same name in `templates`. `routes` lists them all; `door` lets people in and
//! `session` signs them in.

mod ask;
mod assets;
mod audit;
mod columns;
mod compare;
mod dataset;
mod dataset_list;
mod door;
mod error;
mod extract;
mod headers;
mod home;
mod job;
mod job_actions;
mod job_charts;
mod job_list;
mod new_job;
mod relay;
mod results;
mod routes;
mod rows;
mod session;
mod shell;
mod upload;
mod verdict;
mod words;

pub use routes::{listed, pages};
