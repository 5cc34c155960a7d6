//! Which crate may use which, and which crate alone may use a driver. The arrows point one way, so that
//! a part can be read, tested and replaced without what lies above it.

use super::{File, Finding};

/// Every crate of the workspace with those of the workspace that it may depend on.
const EDGES: [(&str, &[&str]); 19] = [
    ("antiphon-markers", &[]),
    ("antiphon-core", &["antiphon-markers"]),
    ("antiphon-sentiment", &["antiphon-markers"]),
    ("antiphon-wire", &["antiphon-core"]),
    ("antiphon-store", &["antiphon-core"]),
    ("antiphon-sql", &["antiphon-core"]),
    // antiphon-store: each process keeps a copy of the partitions that it follows.
    ("antiphon-kafka", &["antiphon-core", "antiphon-store"]),
    ("antiphon-redis", &["antiphon-core"]),
    ("antiphon-cluster", &["antiphon-core", "antiphon-sql"]),
    ("antiphon-local", &["antiphon-core"]),
    ("antiphon-hub", &["antiphon-core", "antiphon-wire"]),
    ("antiphon-ai", &["antiphon-core", "antiphon-markers", "antiphon-sentiment", "antiphon-wire"]),
    ("antiphon-rooms", &["antiphon-core", "antiphon-ai", "antiphon-markers", "antiphon-sql"]),
    (
        "antiphon-transport",
        &["antiphon-core", "antiphon-hub", "antiphon-rooms", "antiphon-wire", "antiphon-ai", "antiphon-markers"],
    ),
    // antiphon-ai: the doctor calls providers as the server will, or it would test something else.
    ("antiphon-cli", &["antiphon-core", "antiphon-wire", "antiphon-markers", "antiphon-ai"]),
    (
        "antiphon-server",
        &[
            "antiphon-core",
            "antiphon-markers",
            "antiphon-wire",
            "antiphon-store",
            "antiphon-sql",
            "antiphon-kafka",
            "antiphon-redis",
            "antiphon-cluster",
            "antiphon-local",
            "antiphon-hub",
            "antiphon-ai",
            "antiphon-rooms",
            "antiphon-transport",
            "antiphon-cli",
        ],
    ),
    ("antiphon-testkit", &["antiphon-core", "antiphon-wire", "antiphon-store"]),
    ("antiphon-bench", &["antiphon-core", "antiphon-wire"]),
    ("xtask", &[]),
];

/// Any crate may use these in its tests: the suites and fakes, and the engines that need nothing else to run.
const FOR_TESTS: [&str; 2] = ["antiphon-testkit", "antiphon-store"];

/// An outside library (and all whose name goes on from there with a `-`), the crates that may use it, and why.
const DRIVERS: [(&str, &[&str], &str); 10] = [
    ("fjall", &["antiphon-store"], "the embedded engine is the only user of its store"),
    ("sqlx", &["antiphon-sql"], "SQL is spoken in one place"),
    ("rdkafka", &["antiphon-kafka"], "Kafka is spoken in one place"),
    ("redis", &["antiphon-redis"], "Redis is spoken in one place"),
    ("tonic", &["antiphon-cluster"], "processes talk to each other in one place"),
    ("candle", &["antiphon-local"], "a heavy dependency, behind a feature of the server"),
    ("axum", &["antiphon-transport"], "clients are known to the transports alone"),
    ("hyper", &["antiphon-transport"], "clients are known to the transports alone"),
    ("figment", &["antiphon-server"], "configuration is read in one place and handed down"),
    ("crossterm", &["antiphon-cli"], "the terminal belongs to the command line"),
];

/// Crates that work on bytes and values alone, and what would end that.
const PURE: [&str; 3] = ["antiphon-markers", "antiphon-sentiment", "antiphon-wire"];
const EFFECTS: [&str; 4] = ["tokio", "reqwest", "rustix", "tracing"];

#[derive(Debug, PartialEq, Eq)]
struct Dependency {
    name: String,
    line: usize,
    development: bool,
}

/// Checks all manifests.
pub fn check(files: &[File]) -> Vec<Finding> {
    let mut findings = Vec::new();
    for file in files.iter().filter(|file| file.path.ends_with("/Cargo.toml")) {
        let Some(package) = package_name(&file.text) else { continue };
        let Some((_, allowed)) = EDGES.iter().find(|(name, _)| *name == package) else {
            let reason = format!("`{package}` has no row in the table of edges, xtask/src/tidy/edges.rs");
            findings.push(file.finding(0, reason));
            continue;
        };
        for dependency in dependencies(&file.text) {
            if let Some(reason) = objection(&package, allowed, &dependency) {
                findings.push(file.finding(dependency.line, reason));
            }
        }
    }
    findings
}

/// Why a crate may not have this dependency, if it may not.
fn objection(package: &str, allowed: &[&str], dependency: &Dependency) -> Option<String> {
    let name = dependency.name.as_str();
    if EDGES.iter().any(|(own, _)| *own == name) {
        let for_tests = dependency.development && FOR_TESTS.contains(&name);
        let listed = if allowed.is_empty() { "no other".to_owned() } else { allowed.join(", ") };
        let fine = for_tests || allowed.contains(&name);
        return (!fine)
            .then(|| format!("`{package}` may not depend on `{name}`: of this workspace it may use {listed}"));
    }
    if dependency.development {
        return None;
    }
    if PURE.contains(&package) && EFFECTS.contains(&name) {
        return Some(format!("`{package}` is pure and may not depend on `{name}`"));
    }
    let is_driver =
        |driver: &str| name.strip_prefix(driver).is_some_and(|rest| rest.is_empty() || rest.starts_with('-'));
    let (driver, users, why) = DRIVERS.iter().find(|(driver, _, _)| is_driver(driver))?;
    (!users.contains(&package)).then(|| format!("`{driver}` is for {} alone: {why}", users.join(", ")))
}

fn package_name(manifest: &str) -> Option<String> {
    let mut lines = manifest.lines().skip_while(|line| line.trim() != "[package]");
    let line = lines.find(|line| line.starts_with("name"))?;
    line.split('"').nth(1).map(str::to_owned)
}

/// The dependencies of a manifest written the usual way: one to a line, or a table each.
fn dependencies(manifest: &str) -> Vec<Dependency> {
    let mut found = Vec::new();
    // Whether the lines that follow are dependencies, and development ones.
    let mut section = None;
    for (index, line) in manifest.lines().enumerate() {
        let line = line.trim();
        if let Some(header) = line.strip_prefix('[') {
            let header = header.split(']').next().unwrap_or("");
            let development = header.contains("dev-dependencies");
            let table = header.rsplit_once("dependencies.").map(|(_, name)| name);
            if let Some(name) = table {
                found.push(Dependency { name: name.to_owned(), line: index + 1, development });
            }
            section = header.ends_with("dependencies").then_some(development);
            continue;
        }
        let name = line.split(['.', '=', ' ']).next().unwrap_or("").trim_matches('"');
        if let (Some(development), false) = (section, name.is_empty() || line.starts_with('#')) {
            found.push(Dependency { name: name.to_owned(), line: index + 1, development });
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::super::file;
    use super::*;

    fn reasons(package: &str, rest: &str) -> Vec<(usize, String)> {
        let manifest = file("crates/x/Cargo.toml", &format!("[package]\nname = \"{package}\"\n{rest}"));
        check(&[manifest]).into_iter().map(|finding| (finding.line, finding.reason)).collect()
    }

    #[test]
    fn the_table_has_no_circle_and_names_itself_only() {
        for (index, (name, allowed)) in EDGES.iter().enumerate() {
            for other in *allowed {
                let of_other = EDGES.iter().find(|(known, _)| known == other);
                assert!(of_other.is_some_and(|(_, back)| !back.contains(name)), "{name} and {other}, row {index}");
            }
        }
        let engines = ["antiphon-store", "antiphon-sql", "antiphon-local"];
        let of_engines = EDGES.iter().filter(|(name, _)| engines.contains(name));
        assert!(of_engines.into_iter().all(|(_, allowed)| *allowed == ["antiphon-core"]));
    }

    #[test]
    fn an_edge_that_is_not_listed_is_found() {
        let found = reasons(
            "antiphon-hub",
            "[dependencies]\nantiphon-core.workspace = true\nantiphon-store = { path = \"x\" }\n",
        );
        assert_eq!(found.len(), 1);
        assert_eq!(found[0].0, 5);
        assert!(found[0].1.contains("it may use antiphon-core, antiphon-wire"), "{}", found[0].1);
        assert_eq!(reasons("antiphon-core", "[dependencies.antiphon-ai]\nworkspace = true\n").len(), 1);
        assert_eq!(reasons("antiphon-core", "[target.'cfg(unix)'.dependencies]\nantiphon-ai = \"1\"\n").len(), 1);
        assert_eq!(reasons("antiphon-new", "").len(), 1);
    }

    #[test]
    fn the_testkit_is_for_tests() {
        assert_eq!(reasons("antiphon-hub", "[dependencies]\nantiphon-testkit.workspace = true\n").len(), 1);
        assert!(
            reasons("antiphon-hub", "[dev-dependencies]\nantiphon-testkit.workspace = true\nfjall = \"3\"\n")
                .is_empty()
        );
        assert!(reasons("antiphon-hub", "[dev-dependencies]\nantiphon-store.workspace = true\n").is_empty());
        assert_eq!(reasons("antiphon-hub", "[dev-dependencies]\nantiphon-rooms.workspace = true\n").len(), 1);
    }

    #[test]
    fn drivers_have_one_user_and_pure_crates_no_effects() {
        assert_eq!(reasons("antiphon-ai", "[dependencies]\ncandle-core.workspace = true\n").len(), 1);
        assert!(reasons("antiphon-local", "[dependencies]\ncandle-core.workspace = true\n").is_empty());
        assert_eq!(reasons("antiphon-wire", "[dependencies]\ntokio.workspace = true\nserde = \"1\"\n").len(), 1);
    }
}
