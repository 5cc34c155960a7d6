//! What all processes of a deployment have to have alike: a process with another topic, prefix or topology would neither
//! show nor be shown what the others do, and nobody would see why.

use crate::database::{Connection, Transaction, bounded};
use crate::leases::unsigned;
use crate::statement::{Row, Statement};
use crate::{Leases, RecordsError};
use antiphon_core::Sharding;

/// A deployment by what it was created with. No address and no secret is part of it: both may change.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Deployment {
    /// Which log and which live path, as the configuration names it.
    pub topology: String,
    /// Which channel is in which shard.
    pub sharding: Sharding,
    /// The topic, where the topology has one.
    pub kafka_topic: Option<String>,
    /// What keys begin with, where the topology has any.
    pub redis_prefix: Option<String>,
}

/// Who is to use a database, for a look at whether it is theirs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Claim {
    /// A process of this deployment.
    Shared(Deployment),
    /// One process, which needs no deployment.
    Alone {
        /// Which log and which live path, as the configuration names it.
        topology: String,
    },
}

impl Claim {
    /// Refuses a deployment of others, by its row.
    pub(crate) fn compare(&self, created: &Row) -> Result<(), RecordsError> {
        match self {
            Self::Alone { topology } => is_alike(created, "topology", "topology", Some(topology)),
            Self::Shared(deployment) => {
                has_shards(unsigned(created, "shards")?, deployment.sharding)?;
                deployment.compare(created)
            }
        }
    }
}

impl Deployment {
    fn compare(&self, created: &Row) -> Result<(), RecordsError> {
        is_alike(created, "topology", "topology", Some(&self.topology))?;
        is_alike(created, "kafka_topic", "kafka.topic", self.kafka_topic.as_ref())?;
        is_alike(created, "redis_prefix", "redis.prefix", self.redis_prefix.as_ref())
    }
}

/// What [`Claim::compare`] reads.
pub(crate) const CREATED: &str = "SELECT shards, topology, kafka_topic, redis_prefix FROM deployment WHERE id = 1";

impl Leases {
    /// Takes part in the deployment whose database this is, or makes it. A process that is of another one is refused, as
    /// [`RecordsError::ShardCount`] or [`RecordsError::OtherDeployment`], and leaves no trace.
    pub async fn join(&self, deployment: &Deployment) -> Result<(), RecordsError> {
        let mut connection = self.database.writer().await?;
        let joined = bounded(connection.limit(), join(&mut connection, deployment)).await;
        connection.release(joined)
    }

    /// The topology of the deployment whose database this is, once one has said it.
    pub async fn topology(&self) -> Result<Option<String>, RecordsError> {
        let found = self.database.read_one(Statement::new("SELECT topology FROM deployment WHERE id = 1")).await?;
        Ok(found.as_ref().map(|row| row.text_or_null("topology")).transpose()?.flatten())
    }
}

async fn join(connection: &mut Connection, deployment: &Deployment) -> Result<(), RecordsError> {
    let mut transaction = connection.begin().await?;
    create(&mut transaction, deployment.sharding).await?;
    // A deployment of a version that did not say it yet is what its next process is.
    let statement = Statement::new(
        "UPDATE deployment SET topology = COALESCE(topology, $1), kafka_topic = COALESCE(kafka_topic, $2), \
         redis_prefix = COALESCE(redis_prefix, $3) WHERE id = 1 RETURNING topology, kafka_topic, redis_prefix",
    );
    let Deployment { topology, kafka_topic, redis_prefix, .. } = deployment;
    let statement = statement.bind(topology.as_str()).bind(kafka_topic.as_deref()).bind(redis_prefix.as_deref());
    let found = transaction.run(statement).await?;
    let Some(created) = found.first() else { return Err(RecordsError::Value("there is no deployment".into())) };
    deployment.compare(created)?;
    transaction.commit().await
}

/// Makes the deployment's row where there is none, and refuses another number of shards.
pub(crate) async fn create(transaction: &mut Transaction<'_>, sharding: Sharding) -> Result<(), RecordsError> {
    let statement = Statement::new("INSERT INTO deployment (id, shards) VALUES (1, $1) ON CONFLICT (id) DO NOTHING");
    transaction.run(statement.bind(i64::from(sharding.count()))).await?;
    let found = transaction.run(Statement::new("SELECT shards FROM deployment WHERE id = 1")).await?;
    has_shards(found.first().map(|row| unsigned(row, "shards")).transpose()?.unwrap_or(0), sharding)
}

fn has_shards(created: u32, sharding: Sharding) -> Result<(), RecordsError> {
    let configured = sharding.count();
    if created == u32::from(configured) { Ok(()) } else { Err(RecordsError::ShardCount { created, configured }) }
}

fn is_alike(
    created: &Row,
    column: &'static str,
    key: &'static str,
    configured: Option<&String>,
) -> Result<(), RecordsError> {
    let (Some(created), Some(configured)) = (created.text_or_null(column)?, configured) else { return Ok(()) };
    if created == *configured {
        return Ok(());
    }
    Err(RecordsError::OtherDeployment { key, created, configured: configured.clone() })
}
