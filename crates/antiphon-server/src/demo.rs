//! `--demo`: guests, a key with every right and two agents, on this machine only.

use crate::config::{ConfigError, Settings};
use antiphon_core::Pattern;
use antiphon_core::limits::MIN_JWT_SECRET_BYTES;
use antiphon_transport::auth::ApiKeySettings;
use rand::Rng;
use std::fs::{self, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

/// The script that explains the product.
pub const GUIDE: &str = "guide";
/// The real model.
pub const ANNA: &str = "anna";
/// The system prompt of `anna`: short, as a small model follows a short one best.
pub const ANNA_SYSTEM: &str = "You are Anna, a friendly guide. Answer in one to three short sentences.";
/// The name of the demo's key, and the key.
const KEY: &str = "demo";
/// Where the generated secret is kept, in the data directory.
const SECRET_FILE: &str = "jwt-secret";

/// Refuses to let anybody in from elsewhere by accident.
pub fn check_loopback(settings: &Settings, is_told_twice: bool) -> Result<(), ConfigError> {
    let address = settings.address()?;
    if address.ip().to_canonical().is_loopback() || is_told_twice {
        return Ok(());
    }
    Err(ConfigError::new(format!(
        "--demo lets anybody in, and {address} can be reached from other machines: listen on 127.0.0.1, leave out --demo, \
         or add --demo-beyond-loopback if that is what you want"
    )))
}

/// The key with every right.
pub fn api_key() -> Result<ApiKeySettings, ConfigError> {
    let all = Pattern::parse("*").map_err(|refusal| ConfigError::new(refusal.message))?;
    Ok(ApiKeySettings { name: KEY.into(), key: KEY.into(), read: vec![all.clone()], publish: vec![all] })
}

/// The model of `anna` where the configuration names none: the first GGUF file in `models` of the data directory.
pub fn kept_model(data: &Path) -> Option<PathBuf> {
    let files = fs::read_dir(data.join("models")).ok()?.filter_map(|entry| Some(entry.ok()?.path()));
    files.filter(|file| file.extension().is_some_and(|extension| extension == "gguf")).min()
}

/// The secret that guests' tokens are signed with: kept, so that guests outlive a restart.
pub fn kept_secret(data: &Path) -> io::Result<String> {
    crate::storage::make_folder(data)?;
    let path = data.join(SECRET_FILE);
    let mut secret = String::new();
    match OpenOptions::new().write(true).create_new(true).mode(0o600).open(&path) {
        Ok(mut file) => {
            let bytes: [u8; 32] = rand::rng().random();
            for byte in bytes {
                use std::fmt::Write;
                // Writing into a string cannot fail.
                let _ = write!(secret, "{byte:02x}");
            }
            file.write_all(secret.as_bytes())?;
            file.sync_all()?;
        }
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
            fs::read_to_string(&path)?.trim().clone_into(&mut secret);
        }
        Err(error) => return Err(error),
    }
    if secret.len() < MIN_JWT_SECRET_BYTES {
        // A crash came between making the file and filling it.
        fs::remove_file(&path)?;
        return Err(io::Error::other(format!("{} was not whole and is removed: start again", path.display())));
    }
    Ok(secret)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_demo_stays_on_this_machine_unless_told_twice() {
        for (listen, stays) in [
            ("127.0.0.1:0", true),
            ("[::1]:0", true),
            ("[::ffff:127.0.0.1]:0", true),
            ("0.0.0.0:0", false),
            ("[::]:0", false),
        ] {
            let settings = Settings { listen: listen.into(), ..Settings::default() };
            assert_eq!(check_loopback(&settings, false).is_ok(), stays, "{listen}");
            assert!(check_loopback(&settings, true).is_ok());
        }
    }

    #[test]
    fn the_secret_is_kept_and_private() {
        use std::os::unix::fs::PermissionsExt;
        let folder = tempfile::tempdir().unwrap();
        let data = folder.path().join("data");
        let secret = kept_secret(&data).unwrap();
        assert_eq!(kept_secret(&data).unwrap(), secret);
        assert!(secret.len() >= MIN_JWT_SECRET_BYTES);
        let mode = fs::metadata(data.join(SECRET_FILE)).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
        fs::write(data.join(SECRET_FILE), "half").unwrap();
        assert!(kept_secret(&data).is_err());
        assert!(kept_secret(&data).is_ok(), "the next start makes another");
    }
}
