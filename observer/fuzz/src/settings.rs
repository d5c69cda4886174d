//! Target `settings`: bytes as the agent's settings file, and its lines as what is typed on a command
//! line. What is refused is named, what is taken is in range and survives being written.

use std::fs;
use std::path::Path;

use observer::config::{
    Config, ConfigError, File, Network, Overrides, parse_duration, write_duration,
};

use crate::outcomes::{Outcome, Saw};
use crate::scratch;

const FILE: [&str; 4] = ["taken", "no_text", "no_settings", "out_of_range"];
const DURATION: [&str; 2] = ["taken", "refused"];
const NETWORK: [&str; 2] = ["taken", "refused"];

/// All that a corpus of settings must reach.
pub(crate) fn wanted() -> Vec<Outcome> {
    let file = FILE.iter().map(|name| ("file", *name));
    let duration = DURATION.iter().map(|name| ("duration", *name));
    let network = NETWORK.iter().map(|name| ("network", *name));
    file.chain(duration).chain(network).collect()
}

/// Reads settings; panics where something is wrong.
pub(crate) fn run(input: &[u8], saw: Saw<'_>) {
    let path = scratch::folder().join("settings.toml");
    fs::write(&path, input).expect("a file in the folder for temporary ones");
    saw("file", read(&path));
    let text = String::from_utf8_lossy(input);
    for line in text.lines() {
        for word in line.split([' ', '"', '=']) {
            saw("duration", duration(word));
            saw("network", network(word));
        }
    }
}

fn read(path: &Path) -> &'static str {
    match Config::read(Some(path), Overrides::default()) {
        Ok(config) => {
            assert!(config.interval.as_millis() >= 100, "a setting is in range");
            assert!(
                (1..=64).contains(&config.networks.len()),
                "a setting is in range"
            );
            assert!(
                config.rate < 32 && config.ring.is_power_of_two(),
                "a setting is in range"
            );
            FILE[0]
        }
        Err(ConfigError::Read { .. }) => FILE[1],
        Err(error @ ConfigError::Parse { .. }) => {
            let text = error.to_string();
            assert!(
                text.contains("settings.toml"),
                "an error names its file: {text}"
            );
            FILE[2]
        }
        Err(error @ ConfigError::Range { .. }) => {
            assert!(
                error.to_string().contains("use setting `"),
                "an error names its key"
            );
            FILE[3]
        }
    }
}

fn duration(word: &str) -> &'static str {
    let Ok(duration) = parse_duration(word) else {
        return DURATION[1];
    };
    let written = write_duration(duration);
    let again = parse_duration(&written).ok();
    assert_eq!(
        again,
        Some(duration),
        "a duration survives being written: {word}"
    );
    DURATION[0]
}

fn network(word: &str) -> &'static str {
    let Ok(network) = word.parse::<Network>() else {
        return NETWORK[1];
    };
    let again = network.to_string().parse().ok();
    assert_eq!(
        again,
        Some(network),
        "a network survives being written: {word}"
    );
    NETWORK[0]
}

/// Named inputs.
pub(crate) fn seeds() -> Vec<(String, Vec<u8>)> {
    let whole = File::default().to_toml();
    let named = |name: &str, text: &str| (name.to_owned(), text.as_bytes().to_vec());
    vec![
        named("default", &whole),
        named("empty", ""),
        named("range", "interval = \"1ms\"\n"),
        named(
            "relays",
            "relays = [\"192.0.2.1:443\", \"[2001:db8::1]:443\"]\n",
        ),
        named("networks", "networks = [\"fd42::/56\", \"10.44.0.0/16\"]\n"),
        named("unknown", "clustercidr = \"10.42.0.0/16\"\n"),
        named("words", "250ms 5s 2min 1h 99h 10.0.0.0/8 ::/0 1.2.3.4/33\n"),
        ("no_text".to_owned(), vec![0xff, 0xfe, b'=', 0]),
    ]
}
