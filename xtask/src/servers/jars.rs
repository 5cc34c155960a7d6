//! Kafka's jars, from Maven Central, each checked against the checksum kept here.

use std::ffi::OsString;
use std::fmt::Write as _;
use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use crate::{checksum, debian, steps};

const LIST: &str = include_str!("kafka-jars.txt");
const REPOSITORY: &str = "https://repo1.maven.org/maven2/";
/// How many are fetched at once.
const AT_ONCE: &str = "8";

/// One file of the list.
#[derive(Debug, PartialEq, Eq)]
struct Jar {
    /// SHA-256 in hex.
    sha256: &'static str,
    /// Beneath the repository's address.
    path: &'static str,
}

impl Jar {
    fn file(&self, folder: &Path) -> PathBuf {
        folder.join(self.path.rsplit('/').next().unwrap_or(self.path))
    }
}

/// Makes sure that all jars are in the folder and are the ones expected; the error says why they cannot be had.
pub fn fetch(folder: &Path) -> Result<(), String> {
    let jars = parse(LIST)?;
    fs::create_dir_all(folder).map_err(|error| format!("{}: {error}", folder.display()))?;
    let missing = missing(&jars, folder)?;
    if missing.is_empty() {
        return Ok(());
    }
    ensure_curl()?;
    println!("    fetching {} of Kafka's {} jars from Maven Central (56 MB in all)", missing.len(), jars.len());
    let fetched = folder.with_file_name("download");
    let outcome = download(&missing, &fetched).and_then(|()| take_over(&missing, &fetched, folder));
    // What is left of a download is of no use, whether it worked or not.
    let _ = fs::remove_dir_all(&fetched);
    outcome
}

/// What Java calls a class path: all jars in the folder that [`fetch`] has filled.
pub fn class_path(folder: &Path) -> Result<OsString, String> {
    let files = parse(LIST)?.into_iter().map(|jar| jar.file(folder));
    std::env::join_paths(files).map_err(|error| format!("{}: {error}", folder.display()))
}

fn parse(list: &'static str) -> Result<Vec<Jar>, String> {
    let lines = list.lines().filter(|line| !line.starts_with('#') && !line.trim().is_empty());
    lines.map(|line| parse_line(line).ok_or_else(|| format!("not a checksum and a jar: `{line}`"))).collect()
}

fn parse_line(line: &'static str) -> Option<Jar> {
    let (sha256, path) = line.split_once("  ")?;
    let is_sum = sha256.len() == 64 && sha256.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'));
    // Nothing that would leave the repository or the folder, or end the quotes in curl's configuration.
    let is_plain = |part: &str| {
        !part.is_empty()
            && !part.starts_with('.')
            && part.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"._-".contains(&byte))
    };
    (is_sum && path.ends_with(".jar") && path.split('/').all(is_plain)).then_some(Jar { sha256, path })
}

/// Those that are not there, or damaged.
fn missing<'a>(jars: &'a [Jar], folder: &Path) -> Result<Vec<&'a Jar>, String> {
    let (there, mut missing): (Vec<&Jar>, Vec<&Jar>) = jars.iter().partition(|jar| jar.file(folder).is_file());
    if !there.is_empty() {
        let files: Vec<PathBuf> = there.iter().map(|jar| jar.file(folder)).collect();
        let sums = checksum::sha256_each(&files)?;
        missing.extend(there.into_iter().zip(sums).filter(|(jar, sum)| jar.sha256 != sum).map(|(jar, _)| jar));
    }
    Ok(missing)
}

fn ensure_curl() -> Result<(), String> {
    if steps::answers("curl", &["--version"]) {
        return Ok(());
    }
    // Without the authorities' certificates, which are merely recommended, it could trust no server.
    debian::install("ca-certificates")
        .and_then(|()| debian::install("curl"))
        .map_err(|reason| format!("there is no curl to fetch Kafka's jars with: {reason}"))
}

fn download(jars: &[&Jar], folder: &Path) -> Result<(), String> {
    let _ = fs::remove_dir_all(folder);
    fs::create_dir_all(folder).map_err(|error| format!("{}: {error}", folder.display()))?;
    let mut curl = Command::new("curl");
    curl.args(["--fail", "--no-progress-meter", "--location", "--proto", "=https", "--retry", "3"]);
    curl.args(["--connect-timeout", "20", "--speed-limit", "1000", "--speed-time", "30"]);
    curl.args(["--parallel", "--parallel-max", AT_ONCE, "--config", "-"]).current_dir(folder);
    let mut child = curl.stdin(Stdio::piped()).spawn().map_err(|error| format!("curl: {error}"))?;
    if let Some(mut input) = child.stdin.take() {
        input
            .write_all(configuration(jars).as_bytes())
            .map_err(|error| format!("telling curl what to fetch: {error}"))?;
    }
    let status = child.wait().map_err(|error| format!("curl: {error}"))?;
    if status.success() { Ok(()) } else { Err(format!("fetching Kafka's jars failed (curl: {status})")) }
}

/// What curl reads: each address, and the name to keep it under.
fn configuration(jars: &[&Jar]) -> String {
    let mut lines = String::new();
    for jar in jars {
        let file = jar.file(Path::new(""));
        let _ = writeln!(lines, "url = \"{REPOSITORY}{}\"\noutput = \"{}\"", jar.path, file.display());
    }
    lines
}

/// Checks what was fetched and renames it, so that a jar of this name is always whole.
fn take_over(jars: &[&Jar], fetched: &Path, folder: &Path) -> Result<(), String> {
    let files: Vec<PathBuf> = jars.iter().map(|jar| jar.file(fetched)).collect();
    for (jar, found) in jars.iter().zip(checksum::sha256_each(&files)?) {
        if found != jar.sha256 {
            return Err(format!("{} has SHA-256 {found}, expected {}; not used", jar.path, jar.sha256));
        }
    }
    for jar in jars {
        let file = jar.file(folder);
        fs::rename(jar.file(fetched), &file).map_err(|error| format!("{}: {error}", file.display()))?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    const SUM: &str = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";

    #[test]
    fn the_list_names_kafka_its_tools_and_a_log_and_no_file_twice() {
        let jars = parse(LIST).unwrap();
        let mut names: Vec<PathBuf> = jars.iter().map(|jar| jar.file(Path::new(""))).collect();
        for needed in ["kafka_2.13-4.1.1.jar", "kafka-tools-4.1.1.jar", "slf4j-simple-1.7.36.jar"] {
            assert!(names.iter().any(|name| name == Path::new(needed)), "{needed}");
        }
        names.sort();
        names.dedup();
        assert_eq!(names.len(), jars.len());
    }

    #[test]
    fn lines_that_are_no_checksum_and_jar_are_refused() {
        let line = |line: String| parse(line.leak());
        assert_eq!(line(format!("# text\n\n{SUM}  org/a/1/a-1.jar\n")).unwrap()[0].path, "org/a/1/a-1.jar");
        for path in ["../a.jar", "a//b.jar", "/a.jar", "a/b.pom", "a/b\".jar", "a/.b.jar", ""] {
            assert!(line(format!("{SUM}  {path}")).is_err(), "{path}");
        }
        assert!(line(format!("{}  a.jar", &SUM[1..])).is_err());
        assert!(line(format!("{}  a.jar", SUM.to_uppercase())).is_err());
        assert!(line(format!("{SUM} a.jar")).unwrap_err().contains("a.jar"));
    }

    #[test]
    fn what_is_there_and_whole_is_not_fetched_again() {
        let folder = std::env::temp_dir().join(format!("xtask-jars-{}", std::process::id()));
        fs::create_dir_all(&folder).unwrap();
        fs::write(folder.join("whole.jar"), "abc").unwrap();
        fs::write(folder.join("damaged.jar"), "abd").unwrap();
        let jars = ["x/whole.jar", "x/damaged.jar", "x/absent.jar"].map(|path| Jar { sha256: SUM, path });
        let found: Vec<&str> = missing(&jars, &folder).unwrap().iter().map(|jar| jar.path).collect();
        fs::remove_dir_all(&folder).unwrap();
        assert_eq!(found, ["x/absent.jar", "x/damaged.jar"]);
    }

    #[test]
    fn a_fetched_jar_with_another_sum_is_not_taken_over() {
        let folder = std::env::temp_dir().join(format!("xtask-take-over-{}", std::process::id()));
        let (fetched, kept) = (folder.join("fetched"), folder.join("kept"));
        fs::create_dir_all(&fetched).unwrap();
        fs::create_dir_all(&kept).unwrap();
        let jar = Jar { sha256: SUM, path: "x/a.jar" };
        fs::write(fetched.join("a.jar"), "abd").unwrap();
        let refused = take_over(&[&jar], &fetched, &kept);
        let kept_it = kept.join("a.jar").exists();
        fs::write(fetched.join("a.jar"), "abc").unwrap();
        let taken = take_over(&[&jar], &fetched, &kept);
        let content = fs::read_to_string(kept.join("a.jar"));
        fs::remove_dir_all(&folder).unwrap();
        assert!(refused.unwrap_err().contains("x/a.jar has SHA-256") && !kept_it);
        taken.unwrap();
        assert_eq!(content.unwrap(), "abc");
    }

    #[test]
    fn curl_is_told_each_address_and_name() {
        let jar = Jar { sha256: SUM, path: "org/a/1/a-1.jar" };
        let expected = "url = \"https://repo1.maven.org/maven2/org/a/1/a-1.jar\"\noutput = \"a-1.jar\"\n";
        assert_eq!(configuration(&[&jar]), expected);
    }
}
