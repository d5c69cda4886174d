//! Where the receiver listens: a plain-text gRPC address, checked once.

use std::fmt;

use tonic::transport::Uri;

/// The port that IANA and the OTLP specification name for gRPC.
const PORT: &str = "4317";

/// A receiver's address: `http`, a host and a port, nothing else.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Endpoint(Uri);

impl Endpoint {
    /// Reads `http://host:port` or `host:port`; the port is 4317 if left out. The error says why
    /// the text cannot serve.
    pub fn parse(text: &str) -> Result<Self, &'static str> {
        let (scheme, rest) = text
            .trim()
            .split_once("://")
            .unwrap_or(("http", text.trim()));
        match scheme.to_ascii_lowercase().as_str() {
            "http" => {}
            "https" => {
                return Err("TLS is not supported; \
                    give the http:// address of a collector on this node or in the cluster");
            }
            _ => return Err("the scheme is not http"),
        }
        let (authority, path) = rest.split_once('/').unwrap_or((rest, ""));
        if !path.is_empty() {
            return Err(
                "gRPC takes no path; give the address of an OTLP gRPC receiver (port 4317)",
            );
        }
        if authority.contains('@') {
            return Err("it holds credentials; put them into OTEL_EXPORTER_OTLP_HEADERS");
        }
        let after_host = authority
            .rsplit_once(']')
            .map_or(authority, |(_, port)| port);
        let port = match after_host.rsplit_once(':') {
            Some((_, "")) => return Err("the port is missing behind the colon"),
            Some(_) => String::new(),
            None => format!(":{PORT}"),
        };
        let uri: Uri = format!("http://{authority}{port}/")
            .parse()
            .map_err(|_| "it is not host:port")?;
        if uri.host().is_none_or(str::is_empty) || uri.port_u16().is_none_or(|port| port == 0) {
            return Err("it is not host:port");
        }
        Ok(Self(uri))
    }

    pub(super) fn uri(&self) -> Uri {
        self.0.clone()
    }
}

impl fmt::Display for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0.to_string().trim_end_matches('/'))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn usual_ways_to_write_an_address_are_understood() {
        for (text, expected) in [
            ("http://127.0.0.1:4317", "http://127.0.0.1:4317"),
            (
                "http://collector.ns.svc:4317/",
                "http://collector.ns.svc:4317",
            ),
            ("collector:14317", "http://collector:14317"),
            ("HTTP://collector", "http://collector:4317"),
            (" http://[::1]:4318 ", "http://[::1]:4318"),
            ("http://[fd00::2]", "http://[fd00::2]:4317"),
        ] {
            let parsed = Endpoint::parse(text).map(|endpoint| endpoint.to_string());
            assert_eq!(parsed.as_deref(), Ok(expected), "{text}");
        }
    }

    #[test]
    fn what_cannot_serve_is_refused_with_its_reason() {
        for (text, reason) in [
            ("https://collector:4317", "TLS"),
            ("http://collector:4318/v1/traces", "no path"),
            ("unix:///run/otlp.sock", "scheme"),
            ("http://user:secret@collector:4317", "credentials"),
            ("http://collector:", "port"),
            ("http://collector:0", "host:port"),
            ("http://collector:70000", "host:port"),
            ("http://", "host:port"),
            ("http://a b:1", "host:port"),
            ("", "host:port"),
        ] {
            let error = Endpoint::parse(text).unwrap_err();
            assert!(error.contains(reason), "{text}: {error}");
        }
    }
}
