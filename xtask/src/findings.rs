//! What a check found: one sentence each, with the place.

use std::{fmt, path::Path};

/// The sentences of one run, in the order in which they were found.
#[derive(Debug, Default)]
pub struct Findings(Vec<String>);

impl Findings {
    pub fn add(&mut self, place: &Path, line: Option<usize>, what: impl fmt::Display) {
        let line = line.map(|line| format!(":{line}")).unwrap_or_default();
        self.0.push(format!("{}{line}: {what}", place.display()));
    }

    #[must_use]
    pub fn sentences(&self) -> &[String] {
        &self.0
    }
}
