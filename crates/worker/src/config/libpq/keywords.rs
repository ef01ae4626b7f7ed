//! Every keyword of libpq's connections, its environment variable, and what it must not ask for.

/// One keyword.
pub(super) struct Keyword {
    /// Its name in `args`, conninfo strings, URIs and service files.
    pub(super) name: &'static str,
    /// The environment variable that gives its default.
    pub(super) variable: Option<&'static str>,
    /// For a keyword that can ask for what the worker cannot do: the values that do not.
    pub(super) only: Option<&'static [&'static str]>,
}

/// The keyword of that name.
pub(super) fn find(name: &str) -> Option<&'static Keyword> {
    KEYWORDS.iter().find(|keyword| keyword.name == name)
}

const fn with_variable(name: &'static str, variable: &'static str) -> Keyword {
    Keyword { name, variable: Some(variable), only: None }
}

const fn plain(name: &'static str) -> Keyword {
    Keyword { name, variable: None, only: None }
}

const fn only(
    name: &'static str,
    variable: Option<&'static str>,
    values: &'static [&'static str],
) -> Keyword {
    Keyword { name, variable, only: Some(values) }
}

/// All keywords of PostgreSQL 18, sorted by what they are about.
pub(super) const KEYWORDS: &[Keyword] = &[
    with_variable("service", "PGSERVICE"),
    with_variable("servicefile", "PGSERVICEFILE"),
    with_variable("host", "PGHOST"),
    with_variable("hostaddr", "PGHOSTADDR"),
    with_variable("port", "PGPORT"),
    with_variable("dbname", "PGDATABASE"),
    with_variable("user", "PGUSER"),
    with_variable("password", "PGPASSWORD"),
    with_variable("passfile", "PGPASSFILE"),
    with_variable("connect_timeout", "PGCONNECT_TIMEOUT"),
    with_variable("options", "PGOPTIONS"),
    with_variable("application_name", "PGAPPNAME"),
    plain("fallback_application_name"),
    plain("keepalives"),
    plain("keepalives_idle"),
    plain("keepalives_interval"),
    plain("keepalives_count"),
    plain("tcp_user_timeout"),
    with_variable("target_session_attrs", "PGTARGETSESSIONATTRS"),
    with_variable("load_balance_hosts", "PGLOADBALANCEHOSTS"),
    with_variable("channel_binding", "PGCHANNELBINDING"),
    with_variable("sslmode", "PGSSLMODE"),
    with_variable("sslnegotiation", "PGSSLNEGOTIATION"),
    with_variable("sslrootcert", "PGSSLROOTCERT"),
    with_variable("sslcert", "PGSSLCERT"),
    with_variable("sslkey", "PGSSLKEY"),
    with_variable("sslsni", "PGSSLSNI"),
    with_variable("ssl_min_protocol_version", "PGSSLMINPROTOCOLVERSION"),
    with_variable("ssl_max_protocol_version", "PGSSLMAXPROTOCOLVERSION"),
    only("sslcertmode", Some("PGSSLCERTMODE"), &["allow"]),
    only("sslpassword", None, &[]),
    only("sslcrl", Some("PGSSLCRL"), &[]),
    only("sslcrldir", Some("PGSSLCRLDIR"), &[]),
    only("requirepeer", Some("PGREQUIREPEER"), &[]),
    only("require_auth", Some("PGREQUIREAUTH"), &[]),
    only("gssencmode", Some("PGGSSENCMODE"), &["disable", "prefer"]),
    only("replication", None, &["false", "off", "no", "0"]),
    only("scram_client_key", None, &[]),
    only("scram_server_key", None, &[]),
    only("oauth_issuer", None, &[]),
    only("oauth_client_id", None, &[]),
    only("oauth_client_secret", None, &[]),
    only("oauth_scope", None, &[]),
    // Ignored: the driver speaks UTF-8 and protocol 3.0 only, and has neither compression nor GSSAPI.
    plain("client_encoding"),
    plain("min_protocol_version"),
    plain("max_protocol_version"),
    plain("sslcompression"),
    plain("sslkeylogfile"),
    plain("krbsrvname"),
    plain("gsslib"),
    plain("gssdelegation"),
];
