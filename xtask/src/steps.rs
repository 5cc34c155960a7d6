//! Running other programs, each named as it starts and explained when it fails.

use std::path::{Path, PathBuf};
use std::process::Command;

/// Variables that `cargo run` sets for this program. Handed on, they make the build scripts that watch
/// them (ring's for one) run again at each change between `cargo …` and `cargo xtask …`.
const OF_THIS_PACKAGE: [&str; 6] = [
    "CARGO_MANIFEST_DIR",
    "CARGO_MANIFEST_PATH",
    "CARGO_BIN_NAME",
    "CARGO_CRATE_NAME",
    "OUT_DIR",
    "CARGO_PRIMARY_PACKAGE",
];

/// The repository's root, as an absolute path.
pub fn root() -> PathBuf {
    let manifest = Path::new(env!("CARGO_MANIFEST_DIR"));
    manifest.parent().unwrap_or(manifest).to_path_buf()
}

/// Where cargo puts what it builds.
pub fn target_directory() -> PathBuf {
    match std::env::var_os("CARGO_TARGET_DIR") {
        Some(directory) => root().join(directory),
        None => root().join("target"),
    }
}

/// The cargo that started this program, at the repository's root.
pub fn cargo() -> Command {
    let mut command = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    command.current_dir(root());
    for (name, _) in std::env::vars_os() {
        let name = name.to_string_lossy();
        if name.starts_with("CARGO_PKG_") || OF_THIS_PACKAGE.contains(&name.as_ref()) {
            command.env_remove(name.as_ref());
        }
    }
    command
}

/// Runs a command with its output shown; anything but success is an error that names the step.
pub fn run(step: &str, command: &mut Command) -> Result<(), String> {
    println!("==> {step}: {}", shown(command));
    let status = command.status().map_err(|error| format!("{step}: {}: {error}", shown(command)))?;
    if status.success() { Ok(()) } else { Err(format!("{step} failed ({status}): {}", shown(command))) }
}

/// Runs a command quietly and returns what it wrote on standard output; its errors go to the terminal.
pub fn output_of(step: &str, command: &mut Command) -> Result<String, String> {
    command.stderr(std::process::Stdio::inherit());
    let output = command.output().map_err(|error| format!("{step}: {}: {error}", shown(command)))?;
    if !output.status.success() {
        return Err(format!("{step} failed ({}): {}", output.status, shown(command)));
    }
    String::from_utf8(output.stdout)
        .map_err(|_| format!("{step}: {} wrote something that is not UTF-8", shown(command)))
}

/// Whether a program is there and answers.
pub fn answers(program: &str, arguments: &[&str]) -> bool {
    let quiet = std::process::Stdio::null;
    let status = Command::new(program).args(arguments).stdin(quiet()).stdout(quiet()).stderr(quiet()).status();
    status.is_ok_and(|status| status.success())
}

/// A command as one would type it, paths beneath the root shortened.
fn shown(command: &Command) -> String {
    let root = format!("{}/", root().display());
    let words = std::iter::once(command.get_program()).chain(command.get_args());
    let mut line = words.map(|word| word.to_string_lossy().replace(&root, "")).collect::<Vec<_>>();
    if let Some(program) = line.first_mut().filter(|program| program.ends_with("/cargo")) {
        *program = "cargo".to_owned();
    }
    line.join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_failing_program_is_an_error_that_names_the_step() {
        let error = run("checking", Command::new("false").arg("x")).unwrap_err();
        assert!(error.starts_with("checking failed") && error.ends_with("false x"), "{error}");
        assert!(run("checking", &mut Command::new("/nonexistent/program")).is_err());
    }

    #[test]
    fn output_is_returned() {
        assert_eq!(output_of("echo", Command::new("echo").arg("one")).unwrap(), "one\n");
    }
}
