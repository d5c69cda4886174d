//! Failures are told apart.

use super::super::table::ETCD;
use super::*;

#[test]
fn a_download_without_network_is_told_from_a_build_that_failed() {
    let program = &ETCD.programs[0];
    let cases = [
        (
            "go: example.org/x@v1.0.0: Get \"x\": dial tcp: lookup x: no such host",
            true,
        ),
        (
            "go: x@v1: read \"y\": dial tcp 192.0.2.1:443: connect: connection refused",
            true,
        ),
        ("./main.go:3:1: syntax error: unexpected name", false),
        ("verifying x@v1.0.0: checksum mismatch", false),
    ];
    for (line, network) in cases {
        let error = explain(program, &["go: downloading x".to_owned(), line.to_owned()]);
        let said = error.to_string();
        assert_eq!(
            matches!(error, ComponentsError::NoNetwork { .. }),
            network,
            "{said}"
        );
        assert!(said.contains("build etcd") && said.contains(line), "{said}");
    }
}

#[test]
fn names_of_packages_are_no_cause_of_a_failure() {
    assert!(is_package("golang.org/x/net/http2"));
    assert!(!is_package("go: updates to go.mod needed"));
    assert!(!is_package("# example.org/x"));
}
