//! What the methods and the backbones of a job are called where its work is told.

use crate::types::{BackboneKind, MethodName, ResolvedMethod, ResolvedSpec};

/// What the methods and backbones of a job are called.
#[derive(Debug, Default)]
pub struct JobNames {
    methods: Vec<String>,
    /// Backbones tried on the rows chosen, beside the method's own.
    transfer: Vec<BackboneKind>,
}

impl JobNames {
    pub fn new(spec: &ResolvedSpec) -> Self {
        let contenders = spec.contenders();
        let one_backbone = contenders.iter().all(|method| method.backbone == spec.method.backbone);
        let name = |method: &ResolvedMethod| {
            let label = if method.name() == MethodName::None { "all rows" } else { &method.label };
            if one_backbone { label.to_owned() } else { format!("{} {label}", method.backbone) }
        };
        let methods = contenders.into_iter().map(name).collect();
        Self { methods, transfer: spec.transfer.iter().map(|trainee| trainee.backbone).collect() }
    }

    /// The method's name, where there are several, and what is done.
    pub fn name_work(&self, contender: u32, what: &str) -> String {
        // All rows are a method of every job, and the work says which rows are meant.
        match self.methods.get(contender as usize) {
            Some(name) if self.methods.len() > 2 || contender > 0 => format!("{name}: {what}"),
            _ => what.to_owned(),
        }
    }

    /// The backbone that is tried on the rows chosen in this epoch of an evaluation, where it is not the method's own.
    pub fn transferred(&self, epoch: u32) -> Option<BackboneKind> {
        (epoch as usize).checked_sub(2).and_then(|number| self.transfer.get(number)).copied()
    }

    /// Columns that the longest of the names of passes takes.
    pub fn width(&self) -> usize {
        let longest = self.methods.iter().map(String::len).max().unwrap_or(0);
        let tried = self.transfer.iter().map(|backbone| backbone.as_str().len() + 1).max().unwrap_or(0);
        if self.methods.len() > 2 { longest + tried + 22 } else { 25 + tried }
    }
}
