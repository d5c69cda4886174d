//! What the settings and the standard variables amount to.

use opentelemetry_proto::tonic::common::v1::any_value::Value;

use super::*;

fn read(endpoint: Option<&str>, set: &[(&str, &str)]) -> Result<Option<Settings>, SettingsError> {
    let names = NodeNames {
        node: "n1".to_owned(),
        host: "host-1".to_owned(),
        cluster: Some("lab".to_owned()),
    };
    Settings::read(endpoint, &names, Limits::default(), |name| {
        let found = set.iter().find(|(key, _)| *key == name);
        found.map(|(_, value)| (*value).to_owned())
    })
}

fn some(endpoint: Option<&str>, set: &[(&str, &str)]) -> Settings {
    read(endpoint, set).unwrap().unwrap()
}

fn resource(settings: &Settings) -> Vec<(String, String)> {
    let attributes = settings.resource.attributes.iter();
    attributes
        .map(|attribute| {
            match attribute
                .value
                .as_ref()
                .and_then(|value| value.value.as_ref())
            {
                Some(Value::StringValue(text)) => (attribute.key.clone(), text.clone()),
                other => panic!("{other:?}"),
            }
        })
        .collect()
}

#[test]
fn nothing_is_exported_without_an_endpoint() {
    assert!(read(None, &[]).unwrap().is_none());
    assert!(
        read(None, &[("OTEL_EXPORTER_OTLP_ENDPOINT", " ")])
            .unwrap()
            .is_none()
    );
}

#[test]
fn a_signals_own_endpoint_wins_over_the_configured_one_and_that_over_the_general_one() {
    let general = ("OTEL_EXPORTER_OTLP_ENDPOINT", "http://general:1");
    let traces = ("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "http://traces:2");
    let metrics = ("OTEL_EXPORTER_OTLP_METRICS_ENDPOINT", "metrics:3");
    let both = |settings: Settings| (settings.traces.to_string(), settings.metrics.to_string());
    let pair = |a: &str, b: &str| (a.to_owned(), b.to_owned());
    let (g, t, m) = ("http://general:1", "http://traces:2", "http://metrics:3");
    assert_eq!(both(some(None, &[general])), pair(g, g));
    assert_eq!(both(some(None, &[general, traces])), pair(t, g));
    assert_eq!(both(some(None, &[traces, metrics])), pair(t, m));
    assert_eq!(both(some(None, &[traces])), pair(t, t));
    let given = Some("http://given:4");
    assert_eq!(
        both(some(given, &[general, metrics])),
        pair("http://given:4", m)
    );
}

#[test]
fn the_resource_says_who_sends_and_the_operator_has_the_last_word() {
    let endpoint = Some("http://c:1");
    let pair = |a: &str, b: &str| (a.to_owned(), b.to_owned());
    assert_eq!(
        resource(&some(endpoint, &[])),
        [
            pair("service.name", "netpath-observer"),
            pair("k8s.node.name", "n1"),
            pair("host.name", "host-1"),
            pair("k8s.cluster.name", "lab"),
        ]
    );
    let set = [
        (
            "OTEL_RESOURCE_ATTRIBUTES",
            "service.name=a,k8s.cluster.name=prod,team=net%20ops",
        ),
        ("OTEL_SERVICE_NAME", "b"),
    ];
    assert_eq!(
        resource(&some(endpoint, &set)),
        [
            pair("service.name", "b"),
            pair("k8s.node.name", "n1"),
            pair("host.name", "host-1"),
            pair("k8s.cluster.name", "prod"),
            pair("team", "net ops"),
        ]
    );
}

#[test]
fn headers_are_sent_and_never_shown() {
    let set = [(
        "OTEL_EXPORTER_OTLP_HEADERS",
        "Authorization=Bearer%20s3cret",
    )];
    let settings = some(Some("http://c:1"), &set);
    let token = settings.headers.0.get("authorization").unwrap();
    assert_eq!(token, "Bearer s3cret");
    assert!(token.is_sensitive(), "HTTP/2 keeps it out of its tables");
    let shown = format!("{settings:?}");
    assert!(
        shown.contains("authorization") && !shown.contains("s3cret"),
        "{shown}"
    );
}

#[test]
fn the_timeout_is_in_milliseconds_as_the_specification_says() {
    let of = |text| some(Some("http://c:1"), &[("OTEL_EXPORTER_OTLP_TIMEOUT", text)]).timeout;
    assert_eq!(of("250"), Duration::from_millis(250));
    assert_eq!(of(""), Duration::from_secs(10));
}

#[test]
fn what_cannot_be_used_is_refused_in_one_line_that_names_the_source() {
    for (endpoint, variable, value, expected) in [
        (
            None,
            "OTEL_EXPORTER_OTLP_ENDPOINT",
            "https://c:1",
            "TLS is not supported",
        ),
        (Some("ftp://c"), "", "", "`otlp_endpoint` or `--otlp`"),
        (
            Some("http://c:1"),
            "OTEL_EXPORTER_OTLP_PROTOCOL",
            "http/protobuf",
            "only `grpc`",
        ),
        (
            Some("http://c:1"),
            "OTEL_EXPORTER_OTLP_HEADERS",
            "key",
            "entry 1 has no `=`",
        ),
        (
            Some("http://c:1"),
            "OTEL_EXPORTER_OTLP_HEADERS",
            "a b=c",
            "`a b` cannot be the name",
        ),
        (
            Some("http://c:1"),
            "OTEL_EXPORTER_OTLP_HEADERS",
            "k=%0A",
            "the value of `k`",
        ),
        (
            Some("http://c:1"),
            "OTEL_RESOURCE_ATTRIBUTES",
            "=x",
            "entry 1 has no name",
        ),
        (
            Some("http://c:1"),
            "OTEL_EXPORTER_OTLP_TIMEOUT",
            "10s",
            "milliseconds",
        ),
        (
            Some("http://c:1"),
            "OTEL_EXPORTER_OTLP_TIMEOUT",
            "0",
            "milliseconds",
        ),
    ] {
        let error = read(endpoint, &[(variable, value)])
            .unwrap_err()
            .to_string();
        assert!(error.contains(expected), "{error}");
        assert!(error.contains(variable) && !error.contains('\n'), "{error}");
    }
}
