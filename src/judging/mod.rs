//! Judges models that were trained elsewhere, in a process of its own: what is handed out to them, and what their predictions
//! come to.
//!
//! A judge works on a whole dataset at once, and on predictions that strangers sent. The process has nothing but the folder of
//! its task: no database, no keys; it can be killed at any moment, and gives all memory back.

mod child;
mod parent;
mod work;

pub use child::main;
pub use parent::make_judge;
