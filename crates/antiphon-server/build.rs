//! Lists the built page's files, so that the program carries them. Without a built page the list is empty.

use std::collections::hash_map::DefaultHasher;
use std::fmt::Write;
use std::hash::Hasher;
use std::path::{Path, PathBuf};
use std::{env, fs, io};

/// The page as Vite builds it, relative to this crate.
const PAGE: &str = "../../apps/studio/dist";
/// The page's sources, watched while there is no built page: cargo takes a missing path for a changed one.
const SOURCES: &str = "../../apps/studio";
/// Endings of the compressed forms that lie beside a file.
const COMPRESSED: [&str; 2] = ["gz", "br"];

fn main() -> io::Result<()> {
    let variable = |name: &str| env::var_os(name).map(PathBuf::from).ok_or(io::ErrorKind::NotFound);
    let crate_folder = variable("CARGO_MANIFEST_DIR")?;
    let page = crate_folder.join(PAGE);
    println!("cargo::rerun-if-changed=build.rs");
    println!("cargo::rerun-if-changed={}", if page.join("index.html").exists() { PAGE } else { SOURCES });
    let mut list =
        String::from("/// The page's files, in the order of their paths.\npub static FILES: &[PageFile] = &[\n");
    for file in files(&page)? {
        add(&mut list, &page, &file)?;
    }
    list.push_str("];\n");
    fs::write(variable("OUT_DIR")?.join("page.rs"), list)
}

/// All files beneath the page's folder; none where it is not there, or not whole.
fn files(page: &Path) -> io::Result<Vec<PathBuf>> {
    let mut found = Vec::new();
    let mut folders = if page.join("index.html").exists() { vec![page.canonicalize()?] } else { Vec::new() };
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder)? {
            let path = entry?.path();
            if path.is_dir() {
                folders.push(path);
            } else if !COMPRESSED.iter().any(|ending| path.extension().is_some_and(|found| found == *ending)) {
                found.push(path);
            }
        }
    }
    found.sort();
    Ok(found)
}

fn add(list: &mut String, page: &Path, file: &Path) -> io::Result<()> {
    let plain = fs::read(file)?;
    let path = file.strip_prefix(page.canonicalize()?).map_err(io::Error::other)?.to_string_lossy().replace('\\', "/");
    if path.contains(['{', '}']) {
        return Err(io::Error::other(format!("{path}: braces in an address stand for a parameter")));
    }
    let mut hasher = DefaultHasher::new();
    hasher.write(&plain);
    let compressed = |ending: &str| {
        let beside = PathBuf::from(format!("{}.{ending}", file.display()));
        match fs::metadata(&beside) {
            Ok(found) if found.len() < plain.len() as u64 => format!("Some(include_bytes!({beside:?}))"),
            _ => "None".to_owned(),
        }
    };
    writeln!(
        list,
        "    PageFile {{ path: {path:?}, plain: include_bytes!({file:?}), gzip: {}, brotli: {}, tag: \"{:016x}\" }},",
        compressed("gz"),
        compressed("br"),
        hasher.finish(),
    )
    .map_err(io::Error::other)
}
