//! Certificates for the connections that tests encrypt, made anew for each run.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::{debian, steps};

const PROGRAM: &str = "openssl";
/// Tells tests the folder.
const VARIABLE: &str = "ANTIPHON_TEST_CERTIFICATES";

/// Installs what makes them where there is none.
pub fn install() -> Result<(), String> {
    if is_installed() { Ok(()) } else { debian::install(PROGRAM) }
}

/// Whether they can be made.
pub fn is_installed() -> bool {
    steps::answers(PROGRAM, &["version"])
}

/// A folder with an authority (`authority.pem`), a certificate of it for 127.0.0.1 and no other name (`server.pem`, `server.key`),
/// and an authority that has signed nothing (`stranger.pem`), all in PEM.
#[derive(Debug)]
pub struct Certificates {
    folder: PathBuf,
}

impl Certificates {
    /// Makes them. Nobody can sign anything more afterwards.
    pub fn make(folder: &Path) -> Result<Self, String> {
        let made = Self { folder: folder.join("certificates") };
        fs::create_dir_all(&made.folder).map_err(|error| format!("{}: {error}", made.folder.display()))?;
        made.authority("authority")?;
        made.authority("stranger")?;
        let mut server = made.request("server", "127.0.0.1");
        server.args(["-CA", "authority.pem", "-CAkey", "authority.key"]);
        server.args(["-addext", "basicConstraints=critical,CA:FALSE"]);
        server.args(["-addext", "subjectAltName=IP:127.0.0.1"]);
        run(&mut server)?;
        for authority in ["authority", "stranger"] {
            let key = made.file(authority, "key");
            fs::remove_file(&key).map_err(|error| format!("{}: {error}", key.display()))?;
        }
        Ok(made)
    }

    /// What tells tests where they are.
    pub fn variable(&self) -> (String, String) {
        (VARIABLE.to_owned(), self.folder.display().to_string())
    }

    /// The server's certificate and its key, each in PEM.
    pub fn of_server(&self) -> [PathBuf; 2] {
        ["pem", "key"].map(|ending| self.file("server", ending))
    }

    fn authority(&self, name: &str) -> Result<(), String> {
        run(&mut self.request(name, &format!("Antiphon test {name}")))
    }

    /// Asks for a certificate that is signed with its own key, where nobody else's is named.
    fn request(&self, name: &str, subject: &str) -> Command {
        let mut command = Command::new(PROGRAM);
        command.current_dir(&self.folder).args(["req", "-x509", "-newkey", "ec", "-nodes", "-days", "30"]);
        command.args(["-pkeyopt", "ec_paramgen_curve:prime256v1", "-subj", &format!("/CN={subject}")]);
        command.arg("-keyout").arg(self.file(name, "key")).arg("-out").arg(self.file(name, "pem"));
        command
    }

    fn file(&self, name: &str, ending: &str) -> PathBuf {
        self.folder.join(name).with_extension(ending)
    }
}

/// Its words are shown only where it fails.
fn run(command: &mut Command) -> Result<(), String> {
    let output = command.output().map_err(|error| format!("{PROGRAM}: {error}"))?;
    if output.status.success() {
        return Ok(());
    }
    Err(format!("{PROGRAM} made no certificate: {}", String::from_utf8_lossy(&output.stderr).trim()))
}
