//! A local model's file: there, readable, and what it is said to be. Loading it is the server's business.

use super::Report;
use crate::failure::Failure;
use crate::settings::ProviderSettings;
use std::io::{Read, Write};
use std::path::Path;

/// What a GGUF file begins with (github.com/ggml-org/ggml, docs/gguf.md).
const MAGIC: [u8; 4] = *b"GGUF";
/// What stands in place of a file whose content Git LFS has not fetched (git-lfs, docs/spec.md).
const POINTER: [u8; 4] = *b"vers";

pub(super) fn check<W: Write>(provider: &ProviderSettings, report: &mut Report<W>) -> Result<(), Failure> {
    let subject = format!("provider {}", provider.name);
    let Some(file) = &provider.file else {
        return report.bad(&format!("{subject}: it names no model"), "set `file` to a GGUF file");
    };
    let shown = file.display();
    match beginning(file) {
        Ok((MAGIC, bytes)) => {
            report.good(&format!("{subject}: {shown} ({} MiB); the running server tells its speed", bytes >> 20))
        }
        Ok((POINTER, bytes)) if bytes < 1024 => report.bad(
            &format!("{subject}: {shown} only points at the model"),
            "its folder is a Git LFS checkout: `git lfs pull` fetches the file itself",
        ),
        Ok(_) => report.bad(
            &format!("{subject}: {shown} is no GGUF file"),
            "a download may have broken off; other formats, such as safetensors, are converted with llama.cpp's tools",
        ),
        Err(error) => report.bad(&format!("{subject}: {shown}: {error}"), "set `file` to a GGUF file that is readable"),
    }
}

fn beginning(path: &Path) -> std::io::Result<([u8; 4], u64)> {
    let mut file = std::fs::File::open(path)?;
    let bytes = file.metadata()?.len();
    let mut start = [0; 4];
    match file.read_exact(&mut start) {
        Err(error) if error.kind() != std::io::ErrorKind::UnexpectedEof => Err(error),
        _ => Ok((start, bytes)),
    }
}
