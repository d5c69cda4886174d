//! The part of a trial that goes through Services: connections, a count, requests, the next count.

use super::Trial;
use crate::run::RunError;
use crate::run::services::{Callers, Served};
use crate::run::site::{Shown, Site};

impl Trial<'_> {
    /// Sends requests through the Services of every lab that shows them.
    pub(super) fn through_services(&mut self) -> Result<Vec<Served>, RunError> {
        let mut all = Vec::new();
        for index in 0..self.sites.len() {
            let Some(mut callers) = self.callers(index)? else {
                continue;
            };
            let phase = "Services: connections to their addresses";
            self.during(phase, |stop| callers.open(stop))?;
            self.settle(phase)?;
            let before = self.count(&callers)?;
            let phase = "Services: requests on all connections";
            self.during(phase, |stop| callers.ask(stop))?;
            self.settle(phase)?;
            all.push(self.count(&callers)?.since(&before));
        }
        Ok(all)
    }

    fn callers(&self, index: usize) -> Result<Option<Callers>, RunError> {
        let site = self.sites.get(index);
        let shows = |site: &&Site| site.shown() != Shown::Pair;
        let callers = site
            .filter(shows)
            .map(|site| Callers::of(index, site.topology()));
        Ok(callers.transpose()?.flatten())
    }

    fn count(&self, callers: &Callers) -> Result<Served, RunError> {
        let at_pod = |node: &str, ends| {
            let site = self.sites.get(callers.site());
            site.map_or(0, |site| site.at_pod(node, ends))
        };
        Ok(callers.count(at_pod)?)
    }
}
