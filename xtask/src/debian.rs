//! Installing what a machine lacks from Debian.

use std::process::Command;
use std::sync::atomic::{AtomicBool, Ordering};

use crate::steps;

/// Whether this run has fetched the package lists.
static HAS_LISTS: AtomicBool = AtomicBool::new(false);

/// Installs a package, without what it merely recommends; the error says why that cannot be.
pub fn install(package: &str) -> Result<(), String> {
    if !steps::answers("apt-get", &["--version"]) {
        return Err(format!("there is no apt-get to install {package} with"));
    }
    println!("    installing {package} from Debian (needs root)");
    if !HAS_LISTS.swap(true, Ordering::Relaxed)
        && let Err(reason) = steps::run("package lists", apt_get().arg("update"))
    {
        // One source that does not answer is no reason not to try with the others.
        println!("    {reason}; trying all the same");
    }
    steps::run(package, apt_get().args(["install", "-y", "--no-install-recommends", package]))
}

fn apt_get() -> Command {
    let mut command = Command::new("apt-get");
    command.env("DEBIAN_FRONTEND", "noninteractive").args(["-q", "-o", "Dpkg::Use-Pty=0"]);
    command
}
