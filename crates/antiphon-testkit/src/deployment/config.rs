//! The configuration of one process.

use super::{Place, Plan, Role, Stores};
use std::fmt::Write;

/// What tokens are signed with.
pub const SECRET: &str = "a-secret-for-tests-0123456789012345";
/// The key of a back end that may do everything.
pub const KEY: &str = "a-key-for-tests-0123456789";

/// Partitions of a test's log: enough that both owners have some.
pub(super) const SHARDS: usize = 4;

/// The file of process `number`.
pub(super) fn of(plan: &Plan<'_>, stores: &Stores, number: usize, place: &Place) -> String {
    let mut config = format!("topology = \"{}\"\n", plan.topology);
    if plan.topology.is_shared() {
        let roles: Vec<&str> = plan.roles[number].iter().copied().map(Role::name).collect();
        let _ = writeln!(config, "roles = {roles:?}");
    }
    let _ = write!(
        config,
        "[auth]\njwt_secret = \"{SECRET}\"\n\
         api_keys = [{{ name = \"worker\", key = \"{KEY}\", publish = [\"*\"], read = [\"*\"] }}]\n\
         [limits]\nmessages_per_minute = 0\nrequests_per_minute = 0\nconnections_per_user = 0\n\
         connections_per_address = 0\npublishes_per_second = 0\n\
         [server]\ndrain_seconds = 3\n\
         [providers.main]\nkind = \"openai\"\nbase_url = \"http://{}/p{number}/v1\"\n\
         [agents.anna]\nprovider = \"main\"\nmodel = \"m\"\nmax_attempts = {}\ncontext_tokens = 600\nmax_tokens = 100\n",
        plan.upstream, plan.max_attempts
    );
    if plan.topology.is_shared() {
        let _ = write!(
            config,
            "[cluster]\nlisten = \"{}\"\nadvertise = \"{}\"\nshards = {SHARDS}\ntakeover_seconds = {}\n\
             [records]\nurl = \"{}\"\n",
            place.cluster_listen,
            place.cluster_advertise,
            plan.takeover_seconds,
            stores.database_url(&place.engines),
        );
    }
    if plan.topology.uses_kafka() {
        let (brokers, topic) = (&place.engines.kafka, stores.name());
        let copies = place.engines.kafka.split(',').count();
        let _ =
            write!(config, "[kafka]\nbrokers = \"{brokers}\"\ntopic = \"{topic}\"\nreplication_factor = {copies}\n");
    }
    if plan.topology.uses_redis() {
        let _ = write!(config, "[redis]\nurl = \"{}\"\nprefix = \"{}:\"\n", place.engines.redis, stores.name());
    }
    config + plan.extra
}
