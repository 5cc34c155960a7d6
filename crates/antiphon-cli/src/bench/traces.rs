//! What a measurement makes in engines that are not its own, and the removal of all of it.

use super::deployment::key_prefix;
use super::engines::{Engine, Kind};
use crate::failure::Failure;
use futures::future::BoxFuture;
use std::process::Command;

/// Something that is left in an engine when the servers that made it are gone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Leftover {
    /// A topic of the Kafka at these addresses.
    Topic {
        /// `HOST:PORT`, with commas between them.
        brokers: String,
        /// Its name.
        topic: String,
    },
    /// All keys of the Redis at this URL that begin with the prefix.
    Keys {
        /// With the password, where there is one.
        url: String,
        /// Never empty.
        prefix: String,
    },
}

/// Removes what was left, as those can who speak to the engines; fails with a sentence.
pub type Removal = Box<dyn Fn(Leftover) -> BoxFuture<'static, Result<(), String>> + Send + Sync>;

#[derive(Clone)]
enum Trace {
    Leftover(Leftover),
    Database { url: String, name: String },
}

/// What there may be to remove.
pub(super) struct Traces {
    expected: Vec<Trace>,
    removal: Removal,
}

impl Traces {
    pub(super) fn new(removal: Removal) -> Self {
        Self { expected: Vec::new(), removal }
    }

    /// A deployment of this name is going to use the engine. What is ours goes as a whole.
    pub(super) fn expect(&mut self, engine: &Engine, name: &str) {
        let address = engine.address.clone();
        let leftover = match engine.kind {
            Kind::Kafka => Leftover::Topic { brokers: address, topic: name.to_owned() },
            Kind::Redis => Leftover::Keys { url: address, prefix: key_prefix(name) },
            // Of a database of its own.
            Kind::Postgres => return,
        };
        if !engine.is_ours() {
            self.expected.push(Trace::Leftover(leftover));
        }
    }

    /// A database is going to be made.
    pub(super) fn expect_database(&mut self, engine: &Engine, name: &str) {
        if !engine.is_ours() {
            self.expected.push(Trace::Database { url: engine.address.clone(), name: name.to_owned() });
        }
    }

    /// Removes everything; what could not be removed is tried again the next time, and told.
    pub(super) async fn clear(&mut self) -> Result<(), Failure> {
        let mut left = Vec::new();
        let mut reasons = Vec::new();
        while let Some(trace) = self.expected.last().cloned() {
            let removed = match &trace {
                Trace::Leftover(leftover) => (self.removal)(leftover.clone()).await,
                Trace::Database { url, name } => drop_database(url, name),
            };
            // Only now, so that whoever is interrupted here can begin again.
            self.expected.pop();
            if let Err(reason) = removed {
                reasons.push(format!("{}: {reason}", trace.name()));
                left.push(trace);
            }
        }
        self.expected = left;
        if reasons.is_empty() {
            return Ok(());
        }
        Err(Failure::new(format!("what the measurement made could not all be removed: {}", reasons.join("; "))))
    }
}

impl Trace {
    fn name(&self) -> String {
        match self {
            Self::Leftover(Leftover::Topic { topic, .. }) => format!("Kafka's topic {topic}"),
            Self::Leftover(Leftover::Keys { prefix, .. }) => format!("Redis's keys {prefix}*"),
            Self::Database { name, .. } => format!("PostgreSQL's database {name}"),
        }
    }
}

fn drop_database(url: &str, name: &str) -> Result<(), String> {
    let mut command = Command::new("dropdb");
    // A server that was killed may still be connected for a moment.
    command.args(["--if-exists", "--force", "--maintenance-db"]).arg(url).arg(name);
    let output = command.output().map_err(|error| format!("dropdb cannot be run: {error}"))?;
    if output.status.success() { Ok(()) } else { Err(String::from_utf8_lossy(&output.stderr).trim().to_owned()) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures::FutureExt;
    use std::sync::{Arc, Mutex};

    fn topic(name: &str) -> Trace {
        Trace::Leftover(Leftover::Topic { brokers: "k:1".into(), topic: name.into() })
    }

    #[tokio::test]
    async fn what_cannot_be_removed_is_told_and_tried_again() {
        let asked = Arc::new(Mutex::new(Vec::new()));
        let seen = asked.clone();
        let mut traces = Traces::new(Box::new(move |leftover| {
            let Leftover::Topic { topic, .. } = leftover else { return async { Ok(()) }.boxed() };
            let times = {
                let mut seen = seen.lock().unwrap();
                seen.push(topic.clone());
                seen.iter().filter(|other| **other == topic).count()
            };
            let is_refused = topic == "one" && times == 1;
            async move { if is_refused { Err("Kafka is away".to_owned()) } else { Ok(()) } }.boxed()
        }));
        traces.expected = vec![topic("one"), topic("two")];
        let failure = traces.clear().await.unwrap_err().to_string();
        assert!(failure.contains("topic one: Kafka is away") && !failure.contains("two"), "{failure}");
        traces.clear().await.unwrap();
        traces.clear().await.unwrap();
        assert_eq!(*asked.lock().unwrap(), ["two", "one", "one"]);
    }
}
