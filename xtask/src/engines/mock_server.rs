//! A published mock server that speaks all five wire formats: npm's `@copilotkit/aimock`.

use std::process::Command;

use crate::steps;

const PACKAGE: &str = "@copilotkit/aimock@1.43.0";

/// Installs it into the target folder and runs every adapter against it.
pub(super) fn verify() -> Result<(), String> {
    let folder = steps::root().join("target/aimock");
    println!("[1/2] {PACKAGE} from npm");
    let mut install = Command::new("npm");
    install.arg("install").arg("--prefix").arg(&folder).args(["--no-save", "--no-audit", "--no-fund", PACKAGE]);
    steps::run("the mock server", &mut install)?;
    println!("[2/2] the adapters against it");
    let mut tests = steps::cargo();
    tests.args(["test", "-p", "antiphon-ai", "--test", "adapters", "--", "mock_server", "--nocapture"]);
    tests.env("ANTIPHON_TEST_AIMOCK", &folder);
    steps::run("tests", &mut tests)
}
