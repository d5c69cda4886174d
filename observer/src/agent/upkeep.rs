//! What a sweep leaves behind it: rows for new pairs, entries of what was silent for long, and the whole
//! ledger. It reads no packet and judges nothing.

use super::{Agent, AgentError};
use crate::export::Ledger;
use crate::sweep::Snapshot;

impl Agent {
    /// What a number's rows hold when it is given away is not its new pair's.
    pub(super) fn begin_paths(&mut self) {
        for path in self.intake.begun() {
            self.snapshot.rows.begin(path);
        }
    }

    /// Removes what was silent for long: flow entries, drops, and outer flows that no entry refers to.
    pub(super) fn clear_out(&mut self) -> Result<(), AgentError> {
        let Snapshot {
            seen,
            outer,
            drops,
            announced,
            deleted,
            ..
        } = &mut self.snapshot;
        for key in seen.expired(self.expiry) {
            *deleted += u64::from(self.object.biflows.remove(key)?);
            self.intake.forget(&mut self.object, key)?;
        }
        let paths = self.intake.paths();
        for key in drops.retire(|path| paths.pair(path).is_none()) {
            self.object.drops.remove(&key)?;
        }
        for key in announced.retire(|path| paths.pair(path).is_none()) {
            self.object.announced.remove(&key)?;
        }
        for key in outer.retire(|point, hash| seen.holds(point, hash)) {
            self.object.outer_flows.remove(&key)?;
        }
        Ok(())
    }

    /// The whole ledger: what the kernel, the intake and the attachments lost.
    pub(super) fn ledger(&self) -> Ledger {
        let mut ledger = self.snapshot.ledger.clone();
        self.intake.add_to(&mut ledger, &self.object);
        self.attachments.add_to(&mut ledger);
        self.drops.add_to(&mut ledger);
        self.snapshot.unanswered.add_to(&mut ledger);
        ledger.insert("flow_evicted".to_owned(), self.snapshot.evicted);
        ledger.insert(
            "outer_fragments.later".to_owned(),
            self.snapshot.outer.fragments(),
        );
        ledger
    }
}
