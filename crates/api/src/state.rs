//! What handlers share.

use std::{
    net::SocketAddr,
    path::PathBuf,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use actix_web::HttpRequest;
use key_backup_cache::{Counts, SharedCounts, Tokens, UserIps};
use key_backup_metrics::Metrics;
use key_backup_storage::{Database, Databases};
use key_backup_traces::Traces;
use tokio::sync::Semaphore;

use crate::{
    ApiError, BoundTo, Connection, Limits, Readiness,
    auth::{AuthSettings, Owner},
    limits::{Admission, Place},
    uploads::Uploads,
};

/// One instance of the worker, shared by all of its threads.
pub struct Instance {
    /// Synapse's database, from which each thread takes its part.
    pub databases: Databases,
    /// Where everything is counted.
    pub metrics: Arc<Metrics>,
    /// The settings.
    pub settings: ApiSettings,
    /// Where it listens.
    pub listeners: Listeners,
    /// What is remembered of backups' sizes.
    pub counts: Arc<SharedCounts>,
    /// Who may enter.
    pub auth: AuthSettings,
    /// What of Synapse is heard and told; `None` without Redis.
    pub synapse: Option<Synapse>,
    /// What clients may take.
    pub limits: Limits,
    /// Whether requests should be sent here.
    pub readiness: Readiness,
    /// What traces requests; `None` where that is not wanted.
    pub traces: Option<Traces>,
    /// Numbers the requests; begin with zero.
    pub requests: AtomicU64,
}

/// What the API has of Synapse's replication.
pub struct Synapse {
    /// Access tokens that were looked up before.
    pub tokens: Arc<Tokens<Owner>>,
    /// Takes notes of who was seen.
    pub user_ips: UserIps,
    /// Synapse's `track_puppeted_user_ips`: the user whom an admin puppets counts as seen, too.
    pub track_puppeted_user_ips: bool,
    /// Synapse's `track_appservice_user_ips`: users that application services act for count as seen.
    pub track_appservice_user_ips: bool,
}

impl Instance {
    /// Why requests had better be sent elsewhere; `None` if there is no reason.
    pub(crate) fn obstacle(&self) -> Option<&'static str> {
        self.readiness.obstacle(self.databases.is_well())
    }

    /// A number for the next request, for its id.
    pub(crate) fn next_request(&self) -> u64 {
        self.requests.fetch_add(1, Ordering::Relaxed)
    }
}

/// What the handlers of one thread share.
pub struct AppState {
    /// The instance.
    pub(crate) instance: Arc<Instance>,
    /// This thread's part of the database.
    pub(crate) database: Database,
    /// This thread's way to the counts.
    pub(crate) counts: Counts,
    /// The uploads that wait in this thread.
    pub(crate) uploads: Uploads,
    /// This thread's places for requests.
    pub(crate) admission: Admission,
    /// How many pages of restores it may read at once: the other connections are for everybody else.
    pub(crate) pages: Semaphore,
}

impl AppState {
    /// The state for the thread that calls it.
    pub fn of_this_thread(instance: Arc<Instance>) -> Self {
        let database = instance.databases.of_this_thread();
        let counts = Counts::of_this_thread(Arc::clone(&instance.counts));
        let limits = &instance.limits.settings;
        let places = limits.max_requests_in_flight.div_ceil(instance.databases.threads());
        let admission = Admission::new(places, limits.max_queue_time);
        let pages = Semaphore::new((database.connections() / 2).max(1));
        Self { instance, database, counts, uploads: Uploads::default(), admission, pages }
    }

    /// Takes a place among the requests of this thread that are worked on, or waits for one.
    ///
    /// # Errors
    ///
    /// [`ApiError::Overloaded`] if there is none in time.
    pub(crate) async fn enter(&self) -> Result<Place, ApiError> {
        let entered = self.admission.enter().await;
        entered.map_err(|error| self.instance.limits.refused("requests", error))
    }
}

/// Settings of the API.
#[derive(Debug, Clone)]
pub struct ApiSettings {
    /// Synapse's `server_name`.
    pub server_name: String,
    /// The largest body of a request, in bytes.
    pub max_request_body: usize,
    /// `Access-Control-Max-Age` of preflights; zero leaves the header out, as Synapse does.
    pub cors_max_age: Duration,
}

/// What a handler has to know of the listener that a request came in on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ListenerContext {
    /// In the request log: the listener's `tag`, else its port, else `unix`.
    pub tag: String,
    /// It speaks TLS itself, which shows in the name of the request log's logger.
    pub tls: bool,
    /// The client's address is the first of `X-Forwarded-For`.
    pub x_forwarded: bool,
    /// A header whose value goes into the request's id.
    pub request_id_header: Option<String>,
    /// What it serves.
    pub serves: Serves,
}

/// What a listener serves besides `/health`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Serves {
    /// The resources of a listener of type `http`.
    Resources {
        /// The resource `client`: the key backup.
        client: bool,
        /// The resource `metrics`: `/_synapse/metrics`.
        metrics: bool,
    },
    /// Metrics under any path: a listener of type `metrics`.
    MetricsEverywhere,
}

/// All listeners of an instance, by where they are bound.
#[derive(Debug, Default)]
pub struct Listeners {
    /// By the address that a TCP socket is bound to.
    pub tcp: Vec<(SocketAddr, ListenerContext)>,
    /// By the path of a Unix socket.
    pub unix: Vec<(PathBuf, ListenerContext)>,
}

impl Listeners {
    /// The listener that a request came in on; `None` for one that is not in the list.
    pub(crate) fn of(&self, request: &HttpRequest) -> Option<&ListenerContext> {
        match request.conn_data::<Connection>()?.bound() {
            BoundTo::Unix(path) => find(&self.unix, path),
            BoundTo::Tcp(address) => find(&self.tcp, address),
        }
    }
}

fn find<'a, K: PartialEq>(listeners: &'a [(K, ListenerContext)], key: &K) -> Option<&'a ListenerContext> {
    listeners.iter().find(|(bound, _)| bound == key).map(|(_, context)| context)
}
