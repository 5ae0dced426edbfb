//! The arrows between crates: they point down the list of `ARCHITECTURE.md`, and nowhere else.

use std::{
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Context, ensure};
use serde::Deserialize;

use crate::findings::Findings;

/// The crates of `ARCHITECTURE.md` from the top down. A crate may depend on those after it.
const ORDER: &[&str] = &[
    "bucketbell",
    "bucketbell-api",
    "bucketbell-gateway",
    "bucketbell-bridge",
    "bucketbell-upkeep",
    "bucketbell-delivery",
    "bucketbell-receiver",
    "bucketbell-access",
    "bucketbell-blob",
    "bucketbell-ledger",
    "bucketbell-rule",
    "bucketbell-dialect",
    "bucketbell-guard",
    "bucketbell-filter",
    "bucketbell-event",
];

/// Beside the list: they may see every crate, and none of the list may see them, except by a dev-dependency.
const BESIDE: &[&str] = &["bucketbell-testkit", "bucketbell-bench", "xtask"];

#[derive(Debug, Deserialize)]
struct Metadata {
    packages: Vec<Package>,
}

#[derive(Debug, Deserialize)]
struct Package {
    name: String,
    manifest_path: PathBuf,
    dependencies: Vec<Dependency>,
}

#[derive(Debug, Deserialize)]
struct Dependency {
    name: String,
    /// `null` for a normal one, else `dev` or `build`.
    kind: Option<String>,
}

/// Checks every manifest of the workspace.
///
/// # Errors
///
/// When cargo cannot read the workspace.
pub fn check(root: &Path, findings: &mut Findings) -> anyhow::Result<()> {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let output = Command::new(cargo)
        .args(["metadata", "--no-deps", "--format-version", "1"])
        .current_dir(root)
        .output()
        .context("failed to run `cargo metadata`")?;
    ensure!(output.status.success(), "`cargo metadata` failed: {}", String::from_utf8_lossy(&output.stderr));
    let metadata: Metadata =
        serde_json::from_slice(&output.stdout).context("failed to read what `cargo metadata` prints")?;
    for package in &metadata.packages {
        let manifest = package.manifest_path.strip_prefix(root).unwrap_or(&package.manifest_path);
        judge(package, manifest, findings);
    }
    Ok(())
}

fn judge(package: &Package, manifest: &Path, findings: &mut Findings) {
    let place = |name: &str| ORDER.iter().position(|known| *known == name);
    let ours = |name: &str| name == "bucketbell" || name.starts_with("bucketbell-");
    let (from, beside) = (place(&package.name), BESIDE.contains(&package.name.as_str()));
    if from.is_none() && !beside {
        findings.add(
            manifest,
            None,
            format_args!(
                "`{}` is not in the list of crates: give it a place in ARCHITECTURE.md and here",
                package.name
            ),
        );
        return;
    }
    for dependency in package.dependencies.iter().filter(|dependency| ours(&dependency.name)) {
        let (name, dev) = (dependency.name.as_str(), dependency.kind.as_deref() == Some("dev"));
        if BESIDE.contains(&name) {
            if !dev {
                findings.add(manifest, None, format_args!("`{name}` may only be a dev-dependency"));
            }
            continue;
        }
        let down = match (from, place(name)) {
            (Some(from), Some(to)) => to > from,
            (None, Some(_)) => beside,
            (_, None) => false,
        };
        // A test may look up: it is not part of what is built. `testkit` is how most of them do.
        if !down && !dev {
            findings.add(
                manifest,
                None,
                format_args!("`{}` depends on `{name}`, which does not stand below it", package.name),
            );
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn judged(name: &str, dependencies: &[(&str, Option<&str>)]) -> Vec<String> {
        let dependencies = dependencies
            .iter()
            .map(|(name, kind)| Dependency { name: (*name).to_owned(), kind: kind.map(str::to_owned) })
            .collect();
        let package = Package { name: name.to_owned(), manifest_path: PathBuf::new(), dependencies };
        let mut findings = Findings::default();
        judge(&package, Path::new("Cargo.toml"), &mut findings);
        findings.sentences().to_vec()
    }

    #[test]
    fn arrows_that_point_down_are_fine() {
        assert!(
            judged("bucketbell-ledger", &[("bucketbell-rule", None), ("bucketbell-event", None), ("tokio", None)])
                .is_empty()
        );
        assert!(judged("bucketbell-bench", &[("bucketbell-ledger", None), ("bucketbell", None)]).is_empty());
    }

    #[test]
    fn an_arrow_up_or_to_itself_is_named() {
        assert_eq!(judged("bucketbell-event", &[("bucketbell-rule", None)]).len(), 1);
        assert_eq!(judged("bucketbell-rule", &[("bucketbell-rule", None)]).len(), 1);
        assert_eq!(judged("bucketbell-event", &[("bucketbell-rule", Some("build"))]).len(), 1);
    }

    #[test]
    fn the_testkit_is_a_dev_dependency_only() {
        assert_eq!(judged("bucketbell-gateway", &[("bucketbell-testkit", None)]).len(), 1);
        assert!(judged("bucketbell-gateway", &[("bucketbell-testkit", Some("dev"))]).is_empty());
    }

    #[test]
    fn a_crate_without_a_place_is_named() {
        assert_eq!(judged("bucketbell-utils", &[]).len(), 1);
        assert_eq!(judged("bucketbell-api", &[("bucketbell-utils", None)]).len(), 1);
    }
}
