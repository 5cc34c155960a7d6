//! Doing a fault and undoing it.

use super::stage::Far;
use super::{Drawn, Fault, Stage};
use crate::proxy::Link;
use std::io;
use std::time::Duration;

impl Drawn {
    /// Does it, holds it, and undoes it: afterwards everything is up and reachable.
    ///
    /// # Errors
    /// Where something does not come back, in words.
    pub async fn inject(&self, stage: &Stage) -> Result<(), String> {
        match self.fault {
            Fault::OwnerKilled | Fault::RealtimeKilled | Fault::RelayKilled => {
                stage.deployment.process(self.target).kill9();
                tokio::time::sleep(self.hold).await;
                restart(stage, self.target, false).await
            }
            Fault::OwnerPaused | Fault::RealtimePaused => {
                stage.deployment.process(self.target).pause();
                tokio::time::sleep(self.hold).await;
                stage.deployment.process(self.target).wake();
                Ok(())
            }
            Fault::RollingRestart => {
                for process in 0..stage.deployment.size() {
                    restart(stage, process, true).await?;
                }
                Ok(())
            }
            Fault::RedisStopped | Fault::RedisPaused | Fault::RedisFlushed | Fault::RedisEmptied => {
                self.inject_redis(stage).await.map_err(|error| error.to_string())
            }
            Fault::KafkaStopped | Fault::KafkaPaused | Fault::LeaderGone => {
                self.inject_kafka(stage).await.map_err(|error| error.to_string())
            }
            Fault::PostgresAway | Fault::Cut | Fault::Stalled | Fault::Delayed | Fault::Throttled => {
                self.inject_network(stage).await;
                Ok(())
            }
        }
    }

    async fn inject_redis(&self, stage: &Stage) -> io::Result<()> {
        let Some(redis) = stage.redis.clone() else { return Ok(()) };
        match self.fault {
            Fault::RedisFlushed => redis.lock().flush(),
            Fault::RedisPaused => {
                redis.lock().pause();
                tokio::time::sleep(self.hold).await;
                redis.lock().wake();
                Ok(())
            }
            fault => {
                redis.lock().stop();
                tokio::time::sleep(self.hold).await;
                if fault == Fault::RedisEmptied {
                    redis.lock().forget()?;
                }
                on_a_thread(move || redis.lock().restart()).await
            }
        }
    }

    async fn inject_kafka(&self, stage: &Stage) -> io::Result<()> {
        let Some(kafka) = stage.kafka.clone() else { return Ok(()) };
        let Self { target, kindly, .. } = *self;
        if self.fault == Fault::KafkaPaused {
            kafka.lock().pause(target);
            tokio::time::sleep(self.hold).await;
            kafka.lock().wake(target);
            return Ok(());
        }
        let stopped = kafka.clone();
        on_a_thread(move || stopped.lock().stop(target, kindly)).await;
        tokio::time::sleep(self.hold).await;
        on_a_thread(move || kafka.lock().restart(target)).await
    }

    async fn inject_network(&self, stage: &Stage) {
        let link = match self.fault {
            Fault::Stalled => Link::Paused,
            Fault::Delayed => Link::Delayed { delay: Duration::from_millis(50), jitter: Duration::from_millis(150) },
            Fault::Throttled => Link::Throttled { bytes_per_second: 50_000 },
            _ => Link::Cut,
        };
        if self.fault == Fault::PostgresAway {
            stage.set_all(Far::Postgres, link);
        } else {
            stage.set(self.target, self.far, link);
        }
        tokio::time::sleep(self.hold).await;
        stage.heal();
    }
}

/// Starts a process again, after asking it to leave where that is wanted.
async fn restart(stage: &Stage, process: usize, kindly: bool) -> Result<(), String> {
    let shared = stage.deployment.shared_process(process);
    let restarted = tokio::task::spawn_blocking(move || {
        let mut process = shared.lock();
        if kindly {
            let status = process.terminate();
            assert!(status.success(), "it leaves with {status}");
        }
        process.restart();
    });
    restarted.await.map_err(|_| {
        let said = stage.deployment.process(process).stderr();
        format!("process {process} did not leave or come back; it said: {}", last_lines(&said))
    })
}

/// The end of what a process wrote.
pub(super) fn last_lines(text: &str) -> String {
    let lines: Vec<&str> = text.lines().collect();
    lines.get(lines.len().saturating_sub(15)..).unwrap_or_default().join("\n      ")
}

async fn on_a_thread<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> T {
    tokio::task::spawn_blocking(work).await.expect("no panic")
}
