//! What is wrong with the options of a method, gathered so that all of it is told at once.

use super::FieldError;

/// Faults found so far, in the order they were.
#[derive(Default)]
pub struct Faults(Vec<FieldError>);

impl Faults {
    /// An option that breaks a rule where `holds` is false.
    pub fn check(&mut self, option: &str, holds: bool, rule: &str) {
        if !holds {
            self.add(option, rule);
        }
    }

    pub fn add(&mut self, option: &str, rule: impl Into<String>) {
        self.0.push(FieldError::new(format!("/method/options/{option}"), rule));
    }

    /// The value where nothing is wrong with it.
    pub fn into_result<T>(self, value: T) -> Result<T, Vec<FieldError>> {
        if self.0.is_empty() { Ok(value) } else { Err(self.0) }
    }
}

/// Whether it is a number from 0 to infinity, which is left out.
pub fn not_negative(x: f64) -> bool {
    x.is_finite() && x >= 0.0
}
