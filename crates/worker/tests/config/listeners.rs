//! `worker_listeners`.

use key_backup_worker::config::{Bind, HttpListener, Listener, ListenerKind, ServerCertificate};

use crate::support::with;

fn listener(entry: &str) -> Listener {
    let mut listeners =
        with(&format!("{{enable_metrics: true, worker_listeners: [{entry}]}}")).config().listeners;
    assert_eq!(listeners.len(), 1);
    listeners.remove(0)
}

fn http(entry: &str) -> HttpListener {
    match listener(entry).kind {
        ListenerKind::Http(http) => http,
        ListenerKind::Metrics => panic!("a metrics listener"),
    }
}

fn addresses(entry: &str) -> Vec<String> {
    match listener(entry).bind {
        Bind::Tcp { addresses, .. } => addresses.iter().map(ToString::to_string).collect(),
        Bind::Unix { .. } => panic!("a Unix socket"),
    }
}

#[test]
fn an_http_listener_has_synapses_defaults() {
    assert_eq!(
        listener("{type: http, port: 8083, resources: [{names: [client]}]}"),
        Listener {
            bind: Bind::Tcp {
                port: 8083,
                addresses: vec!["::".parse().unwrap(), "0.0.0.0".parse().unwrap()]
            },
            kind: ListenerKind::Http(HttpListener {
                tls: None,
                x_forwarded: false,
                tag: "8083".to_owned(),
                request_id_header: None,
                client: true,
                metrics: false,
            }),
        }
    );
}

#[test]
fn bind_address_and_bind_addresses_add_up() {
    for (keys, expected) in [
        ("bind_addresses: ['127.0.0.1', '::1']", vec!["127.0.0.1", "::1"]),
        ("bind_address: 127.0.0.1", vec!["127.0.0.1"]),
        ("bind_address: 127.0.0.1, bind_addresses: ['::1']", vec!["::1", "127.0.0.1"]),
        ("bind_address: ''", vec!["::", "0.0.0.0"]),
        ("bind_addresses: []", vec!["::", "0.0.0.0"]),
        ("bind_addresses: ['']", vec!["0.0.0.0"]),
        ("bind_addresses: [localhost]", vec!["127.0.0.1"]),
    ] {
        assert_eq!(addresses(&format!("{{type: http, port: 1, {keys}}}")), expected, "{keys}");
    }
    assert_eq!(addresses("{type: metrics, port: 1}"), ["0.0.0.0"]);
    assert_eq!(addresses("{type: metrics, port: 1, bind_address: ''}"), ["0.0.0.0"]);
}

#[test]
fn a_unix_socket_has_a_mode_and_trusts_its_proxy() {
    for (keys, expected) in
        [("", 0o666), (", mode: 0660", 0o660), (", mode: 432", 0o660), (", mode: 0x1b0", 0o660)]
    {
        let listener = listener(&format!("{{type: http, path: /run/w.sock{keys}}}"));
        assert_eq!(listener.bind, Bind::Unix { path: "/run/w.sock".into(), mode: expected }, "{keys}");
        let ListenerKind::Http(http) = listener.kind else { panic!("no http listener") };
        assert!(http.x_forwarded);
        assert_eq!(http.tag, "unix");
    }
    assert!(!http("{type: http, path: /run/w.sock, x_forwarded: false}").x_forwarded);
}

#[test]
fn a_tag_and_a_request_id_header_are_kept() {
    let http = http("{type: http, port: 1, tag: front, request_id_header: X-Request-ID, x_forwarded: true}");
    assert_eq!(http.tag, "front");
    assert_eq!(http.request_id_header.as_deref(), Some("X-Request-ID"));
    assert!(http.x_forwarded);
}

#[test]
fn resources_decide_what_is_served() {
    for (resources, client, metrics) in [
        ("", false, false),
        (", resources: []", false, false),
        (", resources: [{names: [client, federation], compress: true}]", true, false),
        (", resources: [{names: [health]}, {names: [metrics]}, {names: [client]}]", true, true),
        (", resources: [{compress: true}]", false, false),
    ] {
        let http = http(&format!("{{type: http, port: 1{resources}}}"));
        assert_eq!((http.client, http.metrics), (client, metrics), "{resources}");
    }
}

#[test]
fn tls_uses_the_homeservers_certificate() {
    let text = "
tls_certificate_path: /etc/tls/chain.pem
tls_private_key_path: /etc/tls/key.pem
worker_listeners: [{type: http, port: 8443, tls: true, resources: [{names: [client]}]}]
";
    let ListenerKind::Http(http) = with(text).config().listeners.remove(0).kind else {
        panic!("no http listener")
    };
    let expected = ServerCertificate { chain: "/etc/tls/chain.pem".into(), key: "/etc/tls/key.pem".into() };
    assert_eq!(http.tls, Some(expected));
}

#[test]
fn a_metrics_listener_is_opened_only_where_metrics_are_enabled() {
    let config = with("{worker_listeners: [{type: metrics, port: 9001}], enable_metrics: false}").config();
    assert_eq!(config.listeners, []);
    assert!(config.warnings.iter().any(|warning| warning.contains("enable_metrics")));
    assert_eq!(listener("{type: metrics, port: 9001}").kind, ListenerKind::Metrics);
}

#[test]
fn a_manhole_is_ignored_with_a_warning() {
    let config = with("worker_listeners: [{type: manhole, port: 9000}]").config();
    assert_eq!(config.listeners, []);
    assert!(config.warnings.iter().any(|warning| warning.contains("worker_listeners[0]")));
}

#[test]
fn a_worker_without_a_client_listener_is_warned_of() {
    for text in
        ["worker_listeners: null", "worker_listeners: []", "worker_listeners: [{type: http, port: 1}]"]
    {
        let warnings = with(text).config().warnings;
        assert!(warnings.iter().any(|warning| warning.contains("`client`")), "{text}");
    }
}
