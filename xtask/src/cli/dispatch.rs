//! From a verb to the module that does it, with the set-up and the rights it needs before it.
//! It knows no details of any verb.

use super::Verb;
use super::exit::{Exit, Failure};
use super::lab::{self, LabVerb};
use crate::kernels::guest;
use crate::lab::{delay, relay, tcp_delay, wireguard};
use crate::{bench, check, fuzz, root, run, setup, test};

/// Does what a verb says. `arguments` are those of this process, to be repeated with more rights.
///
/// # Errors
/// When the verb could not be done; a check or test that failed is an [`Exit`], not an error.
pub(super) fn dispatch(verb: &Verb, arguments: &[String]) -> Result<Exit, Failure> {
    match verb {
        Verb::Setup => setup::ensure().map(|()| Exit::Done).map_err(Failure::from),
        Verb::Run(options) => {
            needs_root("run", arguments)?;
            setup::ensure()?;
            Ok(run::run(options)?)
        }
        Verb::Test(options) => {
            if options.real {
                needs_root("test", arguments)?;
            }
            Ok(test::run(options)?)
        }
        Verb::Check(options) => {
            setup::ensure()?;
            Ok(check::run(options))
        }
        Verb::Lab(options) => {
            if !matches!(options.verb, LabVerb::List | LabVerb::Build(_)) {
                needs_root("lab", arguments)?;
            }
            Ok(lab::run(options)?)
        }
        Verb::Bench(options) => {
            needs_root("bench", arguments)?;
            setup::ensure()?;
            Ok(bench::run(options)?)
        }
        Verb::Fuzz(options) => {
            setup::ensure()?;
            setup::ensure_cxx()?;
            Ok(fuzz::run(options)?)
        }
        Verb::Image => Err(not_yet("image", "part 6, deployment")),
        Verb::Guest(options) => Ok(guest::run(options)),
        Verb::Wireguard(options) => Ok(wireguard::serve(&options.config).map(|()| Exit::Done)?),
        Verb::Relay(options) => Ok(relay::serve(&options.config).map(|()| Exit::Done)?),
        Verb::TcpDelay(options) => Ok(tcp_delay::serve(&options.config).map(|()| Exit::Done)?),
        Verb::Delay(options) => Ok(delay::serve(&options.config).map(|()| Exit::Done)?),
    }
}

fn not_yet(verb: &'static str, part: &'static str) -> Failure {
    Failure::NotYet { verb, part }
}

fn needs_root(verb: &'static str, arguments: &[String]) -> Result<(), Failure> {
    if root::is_root() {
        return Ok(());
    }
    Err(Failure::NeedsRoot {
        verb,
        command: root::with_root(arguments),
    })
}
