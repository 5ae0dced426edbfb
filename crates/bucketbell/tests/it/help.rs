//! The help texts, as they were last agreed on. `INSTA_UPDATE=always cargo test -p bucketbell` writes new ones.

use crate::program::{bucketbell, run};

fn help(arguments: &[&str]) -> String {
    let said = run(bucketbell().args(arguments));
    assert_eq!(said.code, Some(0), "{}", said.stderr);
    said.stdout
}

#[test]
fn help_teaches() {
    insta::assert_snapshot!("help", help(&["--help"]));
    insta::assert_snapshot!("help_serve", help(&["serve", "--help"]));
    insta::assert_snapshot!("help_receive", help(&["receive", "--help"]));
    insta::assert_snapshot!("help_quickstart", help(&["quickstart", "--help"]));
    insta::assert_snapshot!(
        "help_config_check",
        help(&["config", "check", "--help"]).split_once("Examples:").unwrap().1
    );
}

/// Guards against commands that the width of a terminal broke in two.
#[test]
fn examples_are_the_same_in_every_terminal() {
    for command in [&["--help"][..], &["serve", "--help"], &["receive", "--help"], &["config", "check", "--help"]] {
        let examples = |columns: &str| {
            let said = run(bucketbell().args(command).env("COLUMNS", columns)).stdout;
            let at = said.find("Examples:").or_else(|| said.find("First steps:")).expect(&said);
            said[at..].to_owned()
        };
        let (narrow, wide) = (examples("80"), examples("200"));
        assert_eq!(narrow, wide, "{command:?}");
        assert!(wide.contains("bucketbell "), "{wide}");
    }
}

#[test]
fn the_version_is_one_line() {
    let version = format!("bucketbell {}\n", env!("CARGO_PKG_VERSION"));
    assert_eq!((help(&["version"]), help(&["--version"])), (version.clone(), version));
}

#[test]
fn wrong_usage_exits_with_2() {
    for arguments in [&["serve", "--nonsense"][..], &["nonsense"], &[], &["serve", "--log-level", "=="]] {
        assert_eq!(run(bucketbell().args(arguments)).code, Some(2), "{arguments:?}");
    }
}
