//! What is heard from and said to Synapse.

use prometheus::{Error, IntCounter, IntCounterVec, IntGaugeVec};

use crate::{
    TimestampGauge,
    family::{Registry, counter, counters, gauges},
};

/// Counts of Synapse's replication.
pub struct ReplicationMetrics {
    inbound: IntCounterVec,
    outbound: IntCounterVec,
    rows: IntCounterVec,
    subscribed: IntGaugeVec,
    /// Subscriptions that were made.
    pub subscriptions: IntCounter,
    /// When it was last certain that the subscription had missed nothing.
    pub subscription_vouched: TimestampGauge,
    /// When Synapse's table of invalidations was last read.
    pub table_vouched: TimestampGauge,
    /// Times that rows of Synapse's may have been missed, so that the tokens were dropped.
    pub gaps: IntCounter,
    /// Notes of who was seen that could not be sent: the queue was full, or Redis did not take them.
    pub user_ips_dropped: IntCounter,
}

impl ReplicationMetrics {
    #[rustfmt::skip]
    pub(crate) fn new(registry: &Registry) -> Result<Self, Error> {
        let vouched = gauges(registry, "key_backup_replication_vouched_timestamp_seconds", "When it was last certain that nothing of Synapse's was missed: by the subscription, and by its table of invalidations. Tokens are trusted for 0.8 s after the older of the two.", &["witness"])?;
        let witness = |name| TimestampGauge::new(vouched.with_label_values(&[name]));
        Ok(Self {
            inbound: counters(registry, "synapse_replication_tcp_protocol_inbound_commands_total", "Commands heard on Synapse's replication.", &["command", "name"])?,
            outbound: counters(registry, "synapse_replication_tcp_protocol_outbound_commands_total", "Commands published on Synapse's replication.", &["command", "name"])?,
            rows: counters(registry, "synapse_replication_tcp_protocol_inbound_rdata_count_total", "Rows heard on Synapse's replication.", &["stream_name"])?,
            subscribed: gauges(registry, "key_backup_replication_subscribed", "1 while the worker hears Synapse over Redis, 0 while it doesn't and asks PostgreSQL for every token; missing where no Redis is configured.", &[])?,
            subscriptions: counter(registry, "key_backup_replication_subscriptions_total", "Subscriptions to Synapse's replication that were made: one at the start, one after each loss.")?,
            subscription_vouched: witness("subscription"),
            table_vouched: witness("table"),
            gaps: counter(registry, "key_backup_replication_gaps_total", "Times that rows of Synapse's may have been missed, so that all tokens were dropped.")?,
            user_ips_dropped: counter(registry, "key_backup_user_ips_dropped_total", "Notes of who was seen that could not be sent to Synapse.")?,
        })
    }

    /// Whether the worker hears Synapse: it is subscribed to its channel, and Redis answers. Not called without Redis.
    pub fn hears_synapse(&self, hears: bool) {
        self.subscribed.with_label_values::<&str>(&[]).set(hears.into());
    }

    /// A command was heard.
    pub fn heard(&self, command: &str) {
        self.inbound.with_label_values(&[command, "redis"]).inc();
    }

    /// A row of a stream was heard. The name has to be one of Synapse's: each is a series for ever.
    pub fn heard_row(&self, stream: &str) {
        self.rows.with_label_values(&[stream]).inc();
    }

    /// A command was published.
    pub fn said(&self, command: &str) {
        self.outbound.with_label_values(&[command, "redis"]).inc();
    }
}
