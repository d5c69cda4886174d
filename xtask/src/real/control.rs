//! The control server of the tailnet, real headscale: start, users and keys, approval of routes,
//! policy. It is reached through its own socket and never over the network of the caller.

use std::net::Ipv4Addr;
use std::time::Duration;

use serde::Deserialize;

use super::RealLab;
use super::await_true::await_true;
use super::plan::{CONTROL, INET};
use super::relays;
use crate::lab::LabError;

/// Where clients log in.
pub(super) fn url() -> String {
    format!("http://{CONTROL}:8080")
}

/// Everybody may talk to everybody.
const OPEN: &str = r#"{"grants":[{"src":["*"],"dst":["*"],"ip":["*"]}]}"#;
/// Patience with the server; it answers within a second.
const PATIENCE: Duration = Duration::from_secs(20);

/// A machine as headscale lists it.
#[derive(Debug, Deserialize)]
struct Machine {
    id: u64,
    #[serde(default)]
    given_name: String,
    #[serde(default)]
    available_routes: Vec<String>,
}

/// Starts the server; it is ready when [`key`] returns.
pub(super) fn start(lab: &RealLab) -> Result<(), LabError> {
    lab.write("derp.yaml", &relays::map())?;
    lab.write("policy.hujson", OPEN)?;
    let settings = lab.write("headscale.yaml", &settings(lab))?;
    let headscale = lab.programs().headscale.to_string_lossy().into_owned();
    lab.start(
        INET,
        "headscale",
        &[&headscale, "-c", &settings.to_string_lossy(), "serve"],
    )
}

/// Waits for the server, makes the one user and returns a key that any machine may join with.
pub(super) fn key(lab: &RealLab) -> Result<String, LabError> {
    let socket = lab.file("headscale.sock");
    await_true("the socket of headscale", PATIENCE, || {
        Ok(socket.exists() && ask(lab, &["users", "list"]).is_ok())
    })?;
    ask(lab, &["users", "create", "lab"])?;
    let arguments = ["preauthkeys", "create", "--user", "1", "--reusable"];
    let answer = ask(lab, &[&arguments[..], &["--expiration", "24h"]].concat())?;
    let key = answer.lines().last().unwrap_or_default().trim();
    Ok(key.to_owned())
}

/// Approves subnet routes of a machine once it has offered them.
pub(super) fn approve(lab: &RealLab, machine: &str, routes: &[String]) -> Result<(), LabError> {
    let mut id = None;
    await_true(
        &format!("the routes that {machine} advertises"),
        PATIENCE,
        || {
            let text = ask(lab, &["nodes", "list", "-o", "json"])?;
            let machines: Vec<Machine> = serde_json::from_str(&text).unwrap_or_default();
            let own = machines.iter().find(|known| known.given_name == machine);
            let offers = |known: &Machine| {
                let mut wanted = routes.iter();
                wanted.all(|route| known.available_routes.contains(route))
            };
            id = own.filter(|known| offers(known)).map(|known| known.id);
            Ok(id.is_some())
        },
    )?;
    let id = id.unwrap_or_default().to_string();
    let routes = routes.join(",");
    ask(lab, &["nodes", "approve-routes", "-i", &id, "-r", &routes]).map(|_| ())
}

/// Lets machines use a node as their peer relay.
pub(super) fn grant_relay(lab: &RealLab, relay: Ipv4Addr) -> Result<(), LabError> {
    let policy = format!(
        r#"{{"grants":[{{"src":["*"],"dst":["*"],"ip":["*"]}},
{{"src":["*"],"dst":["{relay}"],"app":{{"tailscale.com/cap/relay":[{{}}]}}}}]}}"#
    );
    lab.write("policy.hujson", &policy)?;
    lab.signal("headscale", nix::sys::signal::Signal::SIGHUP)
}

/// A question to the server through its own command line.
fn ask(lab: &RealLab, arguments: &[&str]) -> Result<String, LabError> {
    let headscale = lab.programs().headscale.to_string_lossy().into_owned();
    let settings = lab.file("headscale.yaml");
    let settings = settings.to_string_lossy();
    lab.output(INET, &[&[&*headscale, "-c", &settings], arguments].concat())
}

fn settings(lab: &RealLab) -> String {
    let file = |name: &str| lab.file(name).to_string_lossy().into_owned();
    let (noise, database, socket) = (
        file("headscale-noise.key"),
        file("headscale.sqlite"),
        file("headscale.sock"),
    );
    let (map, policy, url) = (file("derp.yaml"), file("policy.hujson"), url());
    format!(
        "server_url: {url}
listen_addr: {CONTROL}:8080
metrics_listen_addr: 127.0.0.1:9090
grpc_listen_addr: 127.0.0.1:50443
noise: {{private_key_path: {noise}}}
prefixes: {{v4: 100.64.0.0/10, allocation: random}}
database: {{type: sqlite, sqlite: {{path: {database}, write_ahead_log: true}}}}
unix_socket: {socket}
unix_socket_permission: \"0770\"
dns: {{magic_dns: false, override_local_dns: false, base_domain: lab.internal}}
derp: {{server: {{enabled: false}}, urls: [], paths: [{map}], auto_update_enabled: false}}
disable_check_updates: true
logtail: {{enabled: false}}
policy: {{mode: file, path: {policy}}}
log: {{level: info, format: text}}
"
    )
}
