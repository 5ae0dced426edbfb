//! What may stand in a Rust file. Works on text: whatever needs to understand Rust is a lint's business.

use std::path::Path;

use crate::findings::Findings;

/// Lines of code a file may have. Tests at its end and files that are tests are not counted.
const LINES_MAX: usize = 800;

/// Where a file stands, as far as the checks care.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Place {
    /// Part of a crate: needs an essay and a length.
    Code,
    /// Under `tests/`: only what is unfinished counts.
    Test,
}

/// Checks one file. `shown` is its path as findings name it.
pub fn check(shown: &Path, place: Place, text: &str, findings: &mut Findings) {
    unfinished(shown, text, findings);
    if place == Place::Code {
        length(shown, text, findings);
        essay(shown, text, findings);
    }
}

/// A test that is never run, and code that is not there yet. Spelled in two halves: this file is checked too.
fn unfinished(shown: &Path, text: &str, findings: &mut Findings) {
    let forbidden = [
        (concat!("#[", "ignore"), "a test that never runs guards nothing: make it run, or remove it"),
        (concat!("todo", "!("), "is not finished: finish it, or answer NotImplemented"),
        (concat!("unimplemented", "!("), "is not finished: finish it, or answer NotImplemented"),
    ];
    for (number, line) in text.lines().enumerate() {
        for (pattern, why) in forbidden {
            if line.contains(pattern) {
                findings.add(shown, Some(number + 1), format_args!("`{pattern}`: {why}"));
            }
        }
    }
}

fn length(shown: &Path, text: &str, findings: &mut Findings) {
    let code = text.lines().take_while(|line| line.trim_start() != "#[cfg(test)]").count();
    if code > LINES_MAX {
        findings.add(
            shown,
            None,
            format_args!("has {code} lines of code, more than {LINES_MAX}: give a part a name and a file"),
        );
    }
}

fn essay(shown: &Path, text: &str, findings: &mut Findings) {
    let first = text.lines().map(str::trim).find(|line| !line.is_empty());
    let said = first.and_then(|line| line.strip_prefix("//!")).is_some_and(|said| !said.trim().is_empty());
    if !said {
        findings.add(shown, Some(1), "opens without an essay (`//!`): what is it for, and what is not its business?");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(place: Place, text: &str) -> Vec<String> {
        let mut findings = Findings::default();
        check(Path::new("a.rs"), place, text, &mut findings);
        findings.sentences().to_vec()
    }

    #[test]
    fn a_file_with_an_essay_is_fine() {
        assert!(found(Place::Code, "//! Says why.\nfn a() {}\n").is_empty());
    }

    #[test]
    fn a_file_without_an_essay_is_named() {
        for text in ["", "fn a() {}", "//!\nfn a() {}", "// no\n//! late"] {
            assert!(found(Place::Code, text)[0].starts_with("a.rs:1: opens without"), "{text:?}");
        }
    }

    #[test]
    fn unfinished_code_is_named_with_its_line_also_in_tests() {
        for pattern in [concat!("#[", "ignore]"), concat!("todo", "!()"), concat!("unimplemented", "!()")] {
            assert!(found(Place::Test, &format!("//! x\n{pattern}\n"))[0].starts_with("a.rs:2: "), "{pattern}");
        }
    }

    #[test]
    fn only_code_before_the_tests_counts_for_the_length() {
        let code = "//! x\n".to_owned() + &"a\n".repeat(LINES_MAX - 1);
        assert!(found(Place::Code, &format!("{code}#[cfg(test)]\nmod tests {{\n{}}}", "b\n".repeat(900))).is_empty());
        assert!(found(Place::Code, &format!("{code}one more\n"))[0].contains("801 lines"));
        assert!(found(Place::Test, &format!("{code}one more\n")).is_empty());
    }
}
