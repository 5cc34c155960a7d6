//! SHA-256 of files, by the programs that every system has.

use std::path::{Path, PathBuf};
use std::process::Command;

use crate::steps;

/// The file's SHA-256 in hex.
pub fn sha256(file: &Path) -> Result<String, String> {
    let sums = sha256_each(&[file.to_path_buf()])?;
    sums.into_iter().next().ok_or_else(|| "the checksum program wrote nothing".to_owned())
}

/// The SHA-256 in hex of each file, in their order, by coreutils (`shasum` where there are none).
pub fn sha256_each(files: &[PathBuf]) -> Result<Vec<String>, String> {
    let mut command = Command::new("sha256sum");
    if !steps::answers("sha256sum", &["--version"]) {
        command = Command::new("shasum");
        command.args(["-a", "256"]);
    }
    let lines = steps::output_of("checksum", command.args(files))?;
    let sums: Vec<String> =
        lines.lines().filter_map(|line| line.split_whitespace().next().map(str::to_owned)).collect();
    if sums.len() == files.len() { Ok(sums) } else { Err("the checksum program left files out".to_owned()) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    #[test]
    fn a_checksum_is_that_of_the_file() {
        let folder = std::env::temp_dir().join(format!("xtask-sha256-{}", std::process::id()));
        fs::create_dir_all(&folder).unwrap();
        let files = ["abc", ""].map(|text| {
            let file = folder.join(format!("file-{text}"));
            fs::write(&file, text).unwrap();
            file
        });
        let found = sha256_each(&files).unwrap();
        let first = sha256(&files[0]).unwrap();
        fs::remove_dir_all(&folder).unwrap();
        // The one-block example of FIPS 180-4, and the sum of nothing.
        let expected = [
            "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad",
            "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
        ];
        assert_eq!(found, expected);
        assert_eq!(first, expected[0]);
    }
}
