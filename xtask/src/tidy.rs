//! `cargo xtask tidy`: what the house style asks for and no lint checks.

use std::{
    fs,
    path::{Path, PathBuf},
    process::ExitCode,
};

use anyhow::Context;

use crate::{
    arrows,
    findings::Findings,
    source::{self, Place},
};

/// Folders of the workspace that hold Rust.
const ROOTS: &[&str] = &["crates", "bench", "xtask"];

/// Runs every check and prints what was found.
///
/// # Errors
///
/// When the workspace cannot be read.
pub fn run(root: &Path) -> anyhow::Result<ExitCode> {
    let mut findings = Findings::default();
    let files = check(root, &mut findings)?;
    arrows::check(root, &mut findings)?;
    for sentence in findings.sentences() {
        eprintln!("{sentence}");
    }
    if findings.sentences().is_empty() {
        println!("tidy: {files} files");
        return Ok(ExitCode::SUCCESS);
    }
    eprintln!("tidy: {} findings in {files} files", findings.sentences().len());
    Ok(ExitCode::FAILURE)
}

/// Checks every Rust file under `root` and returns how many there are.
fn check(root: &Path, findings: &mut Findings) -> anyhow::Result<usize> {
    let mut files = Vec::new();
    for folder in ROOTS {
        collect(&root.join(folder), &mut files)?;
    }
    files.sort();
    for path in &files {
        let shown = path.strip_prefix(root).unwrap_or(path);
        let text = fs::read_to_string(path).with_context(|| format!("failed to read {}", path.display()))?;
        source::check(shown, place(shown), &text, findings);
    }
    Ok(files.len())
}

fn place(shown: &Path) -> Place {
    if shown.components().any(|part| part.as_os_str() == "tests") { Place::Test } else { Place::Code }
}

fn collect(folder: &Path, files: &mut Vec<PathBuf>) -> anyhow::Result<()> {
    let entries = match fs::read_dir(folder) {
        Ok(entries) => entries,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(error).with_context(|| format!("failed to list {}", folder.display())),
    };
    for entry in entries {
        let path = entry.with_context(|| format!("failed to list {}", folder.display()))?.path();
        if path.is_dir() && path.file_name().is_some_and(|name| name != "target") {
            collect(&path, files)?;
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            files.push(path);
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_rust_file_is_looked_at_and_each_finding_names_its_file() {
        let root = tempfile::tempdir().unwrap();
        let write = |name: &str, text: &str| {
            let path = root.path().join(name);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        };
        write("crates/a/src/lib.rs", "//! Essay.\n");
        write("crates/a/src/deep/bare.rs", "fn a() {}\n");
        write("crates/a/tests/it/main.rs", "fn a() {}\n");
        write("crates/a/target/debug/generated.rs", "fn a() {}\n");
        write("bench/src/main.rs", "fn main() {}\n");
        let mut findings = Findings::default();
        assert_eq!(check(root.path(), &mut findings).unwrap(), 4);
        assert_eq!(findings.sentences().len(), 2);
        assert!(findings.sentences()[0].starts_with("bench/src/main.rs:1: "));
        assert!(findings.sentences()[1].starts_with("crates/a/src/deep/bare.rs:1: "));
    }
}
