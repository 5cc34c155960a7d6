//! Names of files and folders that say nothing about what is inside, and so collect everything.

use super::{File, Finding};

/// As a whole name, or as the last word of one (`string_utils.rs`).
const FORBIDDEN: [&str; 8] = ["util", "utils", "helper", "helpers", "common", "manager", "context", "misc"];

/// Checks the names of all files and of the folders that they are in.
pub fn check(files: &[File]) -> Vec<Finding> {
    let mut findings: Vec<Finding> = files.iter().filter_map(objection).collect();
    findings.dedup_by(|one, other| {
        one.reason == other.reason && one.file.rsplit('/').nth(1) == other.file.rsplit('/').nth(1)
    });
    findings
}

fn objection(file: &File) -> Option<Finding> {
    let name = file.path.split('/').find(|part| {
        let stem = part.split('.').next().unwrap_or("");
        let last = stem.rsplit(['_', '-']).next().unwrap_or("");
        FORBIDDEN.contains(&last.to_lowercase().as_str())
    })?;
    Some(file.finding(0, format!("`{name}` says nothing about what it holds; name it after its noun")))
}

#[cfg(test)]
mod tests {
    use super::super::file;
    use super::*;

    #[test]
    fn empty_names_are_found_in_files_and_folders() {
        for path in ["src/utils.rs", "tests/common/mod.rs", "a/connection_manager.rs", "web/Helpers.ts"] {
            assert_eq!(check(&[file(path, "")]).len(), 1, "{path}");
        }
        for path in ["src/outbox.rs", "src/context_window.rs", "a/commonmark.rs", "src/utilisation.rs"] {
            assert!(check(&[file(path, "")]).is_empty(), "{path}");
        }
    }
}
