//! Which Kafka it is: brokers do not say, but newer ones know newer versions of their calls.

/// The first release of Apache Kafka with each version of Fetch, oldest first: the history in
/// <https://github.com/apache/kafka/blob/trunk/clients/src/main/resources/common/message/FetchRequest.json>.
const RELEASES: [(i16, &str); 8] =
    [(OLDEST_FETCH, "2.1"), (11, "2.4"), (12, "2.7"), (13, "3.1"), (15, "3.5"), (16, "3.7"), (17, "3.9"), (18, "4.1")];
/// What the oldest brokers that we work with know.
pub const OLDEST_FETCH: i16 = 10;

/// What is known of the release, from the newest version of Fetch.
pub fn words(fetch: Option<i16>) -> String {
    let release = fetch.and_then(|fetch| RELEASES.iter().rev().find(|(first, _)| *first <= fetch));
    match release {
        Some((_, release)) => format!("Apache Kafka {release} or newer, going by what it can do"),
        None => "Apache Kafka".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::words;

    #[test]
    fn the_release_is_the_first_that_knows_as_much() {
        assert_eq!(words(None), "Apache Kafka");
        assert_eq!(words(Some(9)), "Apache Kafka");
        assert!(words(Some(14)).contains("3.1 or newer"));
        assert!(words(Some(40)).contains("4.1 or newer"));
    }
}
