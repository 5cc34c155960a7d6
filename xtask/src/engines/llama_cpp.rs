//! llama.cpp's server, from the source that the Python package `llama-cpp-python` carries.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use super::{Running, folder, free_address};
use crate::{checksum, debian, model, steps};

/// The package on <https://pypi.org/project/llama-cpp-python/>.
const PACKAGE: &str = "llama-cpp-python==0.3.36";
/// What its archive is called and unpacks to.
const SOURCE: &str = "llama_cpp_python-0.3.36";
/// SHA-256 of that archive.
const SHA256: &str = "832db0699007f1be95a7e41ef12e88926b02ba836461e36a36372db2760c1a2e";
/// The key that the server asks for, so that the refusal of another can be seen.
const KEY: &str = "sk-of-this-run";

/// Starts the server, built where it is not built yet.
pub(super) fn start(weights: &Path) -> Result<Running, String> {
    let server = build()?;
    let address = free_address()?;
    let mut command = Command::new(server);
    command.arg("--model").arg(weights).args(["--alias", "smollm2", "--ctx-size", "2048", "--parallel", "1"]);
    command.args(["--host", "127.0.0.1", "--port", &address.port().to_string(), "--api-key", KEY]);
    // One thread: several wait for each other by spinning, which a busy machine pays for dearly.
    command.args(["--threads", "1"]);
    let mut running = Running::start(&mut command, address, "/health", folder()?.join("llama-server.log"))?;
    running.base_url.push_str("/v1");
    running.key = KEY;
    Ok(running)
}

fn build() -> Result<PathBuf, String> {
    let build = folder()?.join("llama.cpp");
    let binary = build.join("bin/llama-server");
    if binary.exists() {
        println!("    it is there: {}", binary.display());
        return Ok(binary);
    }
    for (program, package) in [("cmake", "cmake"), ("c++", "g++"), ("make", "make")] {
        if !steps::answers(program, &["--version"]) {
            debian::install(package)?;
        }
    }
    let mut configure = Command::new("cmake");
    configure.arg("-S").arg(source()?).arg("-B").arg(&build);
    configure.args(["-DCMAKE_BUILD_TYPE=Release", "-DBUILD_SHARED_LIBS=OFF", "-DLLAMA_OPENSSL=OFF"]);
    // Nothing but the server, and that without its page, which would be downloaded.
    configure.args(["-DLLAMA_BUILD_TESTS=OFF", "-DLLAMA_BUILD_EXAMPLES=OFF", "-DLLAMA_BUILD_UI=OFF"]);
    configure.arg("-DLLAMA_USE_PREBUILT_UI=OFF");
    steps::run("configuration", &mut configure)?;
    let jobs = std::thread::available_parallelism().map_or(1, std::num::NonZero::get).to_string();
    let mut make = Command::new("cmake");
    make.arg("--build").arg(&build).args(["--target", "llama-server", "--parallel", &jobs]);
    steps::run("build of llama.cpp, some ten minutes on two cores", &mut make)?;
    Ok(binary)
}

/// llama.cpp's source, fetched where it is not there.
pub(super) fn source() -> Result<PathBuf, String> {
    let source = folder()?.join(SOURCE);
    if !source.exists() {
        download(&source)?;
    }
    Ok(source.join("vendor/llama.cpp"))
}

fn download(source: &Path) -> Result<(), String> {
    model::ensure_pip()?;
    let folder = folder()?;
    let mut pip = Command::new("python3");
    pip.args(["-m", "pip", "download", "--no-deps", "--no-binary", "llama-cpp-python", "--no-cache-dir"]);
    pip.args(["--disable-pip-version-check", "--no-input", "--retries", "2", "--timeout", "20", "--dest"]);
    steps::run("download of 77 MB", pip.arg(&folder).arg(PACKAGE))?;
    let archive = folder.join(format!("{SOURCE}.tar.gz"));
    let found = checksum::sha256(&archive)?;
    if found != SHA256 {
        return Err(format!("the source of {PACKAGE} has SHA-256 {found}, expected {SHA256}; not used"));
    }
    let unpacking = folder.join("unpacking");
    let _ = fs::remove_dir_all(&unpacking);
    fs::create_dir_all(&unpacking).map_err(|error| format!("{}: {error}", unpacking.display()))?;
    steps::run("unpacking", Command::new("tar").arg("-xzf").arg(&archive).arg("-C").arg(&unpacking))?;
    // A rename, so that a folder of this name is always whole.
    fs::rename(unpacking.join(SOURCE), source).map_err(|error| format!("{}: {error}", source.display()))?;
    let _ = fs::remove_dir_all(&unpacking);
    fs::remove_file(&archive).map_err(|error| format!("{}: {error}", archive.display()))
}
