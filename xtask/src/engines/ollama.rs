//! Ollama, from its Go module.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use super::{Running, folder, free_address, llama_cpp};
use crate::steps;

/// The module, at a version that builds its engine by Go's own means; the newest need one that is built beside them.
const MODULE: &str = "github.com/ollama/ollama@v0.13.5";

/// Starts the server, built where it is not built yet, with the weights as its model `smollm2`.
pub(super) fn start(weights: &Path) -> Result<Running, String> {
    let binary = build()?;
    let address = free_address()?;
    let home = folder()?.join("ollama-home");
    fs::create_dir_all(&home).map_err(|error| format!("{}: {error}", home.display()))?;
    let command = || {
        let mut command = Command::new(&binary);
        // Nothing of a person's own Ollama is touched.
        command.env("HOME", &home).env("OLLAMA_MODELS", home.join("models")).env("OLLAMA_HOST", address.to_string());
        // One call at a time, so that one that goes on is noticed by the next.
        command.env("OLLAMA_NUM_PARALLEL", "1").env("OLLAMA_CONTEXT_LENGTH", "2048");
        command
    };
    let log = folder()?.join("ollama.log");
    let running = Running::start(command().arg("serve"), address, "/api/version", log)?;
    let modelfile = home.join("Modelfile");
    // One thread: several wait for each other by spinning, which a busy machine pays for dearly.
    fs::write(&modelfile, format!("FROM {}\nPARAMETER num_thread 1\n", weights.display()))
        .map_err(|error| format!("{}: {error}", modelfile.display()))?;
    steps::run("the model", command().args(["create", "smollm2", "--file"]).arg(&modelfile))?;
    Ok(running)
}

fn build() -> Result<PathBuf, String> {
    let folder = folder()?;
    let binary = folder.join("ollama");
    if binary.exists() {
        println!("    it is there: {}", binary.display());
        return Ok(binary);
    }
    if !steps::answers("go", &["version"]) {
        return Err("Ollama is built by Go, and there is none here: install Go 1.24 or later".to_owned());
    }
    // The headers of others that llama.cpp uses lie in folders named `vendor`, which Go leaves out of modules.
    let headers = llama_cpp::source()?.join("vendor");
    let mut install = Command::new("go");
    install.args(["install", MODULE]).env("GOBIN", &folder).env("GOTOOLCHAIN", "local").env("CGO_ENABLED", "1");
    install.env("CGO_CXXFLAGS", format!("-O2 -I{}", headers.display())).env("CGO_CFLAGS", "-O2");
    steps::run("build of Ollama, some five minutes on two cores", &mut install)?;
    Ok(binary)
}
