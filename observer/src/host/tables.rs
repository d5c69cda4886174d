//! The host observer as the step's tables.

use std::array;
use std::cell::Cell;

use observer_ebpf::abi::announced::AnnouncedKey;
use observer_ebpf::abi::biflow::{Assignment, Biflow};
use observer_ebpf::abi::control::{Budget, Control};
use observer_ebpf::abi::counter::Counter;
use observer_ebpf::abi::event::Event;
use observer_ebpf::abi::fragment::{FirstFragment, FragmentKey};
use observer_ebpf::abi::key::{Address, FlowKey, NetworkKey, PairKey};
use observer_ebpf::abi::outer::{OuterFlow, OuterKey};
use observer_ebpf::abi::point::Hook;
use observer_ebpf::abi::relay::RelayKey;
use observer_ebpf::abi::row::{FragmentRow, Row, RttRow, TrafficRow};
use observer_ebpf::cell::Tally;
use observer_ebpf::step::{Inserted, Tables};
use observer_ebpf::units::{Jiffies, Monotonic};

use super::HostObserver;

impl Tables for HostObserver {
    type W32 = Cell<u32>;
    type W64 = Cell<u64>;
    type Sum = Cell<u64>;

    fn control(&self) -> Option<&Control> {
        Some(&self.control)
    }

    fn biflow(&self, key: &FlowKey) -> Option<&Biflow<Cell<u32>, Cell<u64>>> {
        self.biflows.get(key)
    }

    fn insert_biflow(&self, key: &FlowKey) -> Inserted {
        self.biflows.insert(key, Biflow::default)
    }

    fn is_networked(&self, address: &Address) -> bool {
        self.networks
            .iter()
            .any(|network| contains(network, address))
    }

    fn is_node(&self, address: &Address) -> bool {
        self.nodes.contains(address)
    }

    fn translation(&self, key: &FlowKey) -> Option<u32> {
        self.translations.get(key).copied().map(Assignment::word)
    }

    fn pair(&self, key: &PairKey) -> Option<u32> {
        self.pairs.get(key).copied().map(Assignment::word)
    }

    fn traffic(&self, row: Row) -> Option<&TrafficRow<Cell<u64>>> {
        self.traffic
            .get_or_make(row.index() as usize, TrafficRow::default)
    }

    fn rtt(&self, row: Row) -> Option<&RttRow<Cell<u32>>> {
        let empty = || RttRow {
            buckets: array::from_fn(|_| Cell::new(0)),
        };
        self.rtt.get_or_make(row.index() as usize, empty)
    }

    fn fragments(&self, row: Row) -> Option<&FragmentRow<Cell<u64>>> {
        self.fragments
            .get_or_make(row.index() as usize, FragmentRow::default)
    }

    fn first_fragment(&self, key: &FragmentKey) -> Option<FirstFragment> {
        self.first_fragments.get(key)
    }

    fn keep_first_fragment(&self, key: &FragmentKey, first: &FirstFragment) {
        self.first_fragments.put(*key, *first);
    }

    fn outer_flow(&self, key: &OuterKey) -> Option<&OuterFlow<Cell<u64>>> {
        self.outer_flows.get(key)
    }

    fn insert_outer_flow(&self, key: &OuterKey, now: Monotonic) -> Inserted {
        self.outer_flows.insert(key, || OuterFlow {
            first_seen: Cell::new(now.0),
            ..OuterFlow::default()
        })
    }

    fn announced(&self, key: &AnnouncedKey) -> Option<&Cell<u64>> {
        self.announced.get(key)
    }

    fn insert_announced(&self, key: &AnnouncedKey) -> Inserted {
        self.announced.insert(key, Cell::default)
    }

    fn is_relay(&self, key: &RelayKey) -> bool {
        self.relays.contains(key)
    }

    fn tunnel(&self, hook: Hook) -> Option<&Cell<u64>> {
        self.tunnel.get(hook as usize)
    }

    fn budget(&self, budget: Budget) -> Option<&Cell<u64>> {
        self.budgets.get(budget as usize)
    }

    fn count(&self, counter: Counter, amount: u64) {
        if let Some(cell) = self.counters.get(counter.index() as usize) {
            cell.add(amount);
        }
    }

    fn emit(&self, event: &Event, wake: bool) -> bool {
        let mut events = self.events.borrow_mut();
        if events.len() >= self.room {
            return false;
        }
        events.push(*event);
        self.wakeups.add(u64::from(wake));
        true
    }

    fn monotonic(&self) -> Monotonic {
        self.now.get()
    }

    fn jiffies(&self) -> Jiffies {
        Jiffies(self.now.get().0 / self.jiffy_nanos.max(1))
    }
}

/// True if an address lies in a prefix, bit by bit from the first.
fn contains(network: &NetworkKey, address: &Address) -> bool {
    let shift = 128_u32.saturating_sub(network.length);
    let prefix = |octets| u128::from_be_bytes(octets).checked_shr(shift).unwrap_or(0);
    prefix(network.octets) == prefix(address.octets())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_prefix_holds_its_addresses_and_no_others() {
        let network = NetworkKey {
            length: 96 + 16,
            octets: Address::v4([10, 42, 0, 0]).octets(),
        };
        assert!(contains(&network, &Address::v4([10, 42, 255, 255])));
        assert!(!contains(&network, &Address::v4([10, 43, 0, 0])));
        let everything = NetworkKey {
            length: 0,
            ..network
        };
        assert!(contains(&everything, &Address::v6([0xfd; 16])));
    }
}
