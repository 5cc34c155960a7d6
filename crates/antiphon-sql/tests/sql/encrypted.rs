//! Connections to PostgreSQL with TLS.

use crate::databases::Postgres;
use antiphon_sql::*;
use antiphon_testkit::servers;
use std::path::Path;

/// The database's address with the server's certificate checked against this authority.
fn verified(postgres: &Postgres, authority: &Path) -> String {
    postgres.url_of(|url| {
        let mut query = url.query_pairs_mut();
        query.append_pair("sslmode", "verify-full").append_pair("sslrootcert", &authority.display().to_string());
    })
}

#[tokio::test]
async fn a_server_that_is_verified_keeps_records() {
    let Some(certificates) = servers::certificates() else { return };
    let Some(postgres) = Postgres::create().await else { return };
    let url = verified(&postgres, &certificates.authority);
    Records::connect(&url).await.unwrap().close().await;
    let checked = check(&url, &Claim::Alone { topology: "embedded".into() }).await;
    assert_eq!(checked.findings, []);
    assert!(checked.server.as_ref().unwrap().ends_with(", encrypted"), "{checked:?}");
}

#[tokio::test]
async fn a_server_of_another_authority_or_name_is_refused() {
    let Some(certificates) = servers::certificates() else { return };
    let Some(postgres) = Postgres::create().await else { return };
    let stranger = verified(&postgres, &certificates.stranger);
    // The loopback address, under a name that is not in the certificate.
    let renamed = verified(&postgres, &certificates.authority).replacen("127.0.0.1", "localhost", 1);
    for (url, words) in [(stranger, "UnknownIssuer"), (renamed, "localhost")] {
        let refused = Records::connect(&url).await.map(drop);
        assert!(refused.is_err());
        let checked = check(&url, &Claim::Alone { topology: "embedded".into() }).await;
        assert_eq!(checked.server, None);
        let finding = &checked.findings[0];
        println!("{refused:?}: {finding:?}");
        assert_eq!(finding.severity, Severity::Problem);
        assert!(finding.advice.contains("sslrootcert"), "{finding:?}");
        assert!(finding.what.contains("no encrypted connection") && finding.what.contains(words), "{finding:?}");
    }
}
