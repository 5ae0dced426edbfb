//! Keeps the version of the compiler, which is one of the conditions of every figure.

use std::{env, process::Command};

fn main() {
    let rustc = env::var_os("RUSTC").unwrap_or_else(|| "rustc".into());
    let version =
        Command::new(rustc).arg("--version").output().ok().and_then(|output| String::from_utf8(output.stdout).ok());
    println!("cargo::rustc-env=BENCH_RUSTC_VERSION={}", version.as_deref().unwrap_or("rustc, version unknown").trim());
    println!("cargo::rerun-if-changed=build.rs");
}
