//! Drivers on which native XDP was tried, for the setting `xdp = "auto"`. What a trial has to show and what
//! the others do is in `docs/decisions/0010-before-the-stack.md`. It asks no device.

/// A card's driver that keeps its queues and its link while a program comes and goes. What the host does
/// for the card it gives up, so only a card for which the host does nothing loses nothing.
const VIRTIO: &str = "virtio_net";

/// What a virtio card's host may do for what it receives: check sums (1), merge TCP (7, 8, with ECN 9) and UDP
/// (10, 54, 55); bits of the negotiated features (Virtio 1.3, 5.1.3; Linux: `include/uapi/linux/virtio_net.h`).
const HOST_DOES: [usize; 7] = [1, 7, 8, 9, 10, 54, 55];

/// A device's driver, as far as it can be asked.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Driver {
    /// Its name; a virtual device's kind.
    pub name: Option<String>,
    /// What a virtio device negotiated with its host: a `0` or `1` for each feature, from the first one on.
    pub virtio: Option<String>,
}

/// Why native XDP is not for a device unasked.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Untried {
    /// Nobody tried it on this driver, or it lost by it.
    #[error(
        "native XDP was not tried on its driver ({0}), or costs it offloads or frames; \
         `xdp = \"native\"` attaches all the same"
    )]
    Driver(String),
    /// The host would stop its work for the card.
    #[error(
        "its host checks or merges what it receives ({VIRTIO}), which native XDP ends; \
         `xdp = \"native\"` attaches all the same"
    )]
    Offloads,
}

/// Whether a native XDP program costs a device of this driver nothing.
///
/// # Errors
/// What it costs, or that nobody knows.
pub fn tried(driver: &Driver) -> Result<(), Untried> {
    let name = driver.name.as_deref().unwrap_or("unknown");
    let Some(features) = driver.virtio.as_ref().filter(|_| name == VIRTIO) else {
        return Err(Untried::Driver(name.to_owned()));
    };
    let does = |bit: &usize| features.as_bytes().get(*bit) != Some(&b'0');
    if HOST_DOES.iter().any(does) {
        return Err(Untried::Offloads);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(name: &str, virtio: Option<&str>) -> Driver {
        Driver {
            name: Some(name.to_owned()),
            virtio: virtio.map(str::to_owned),
        }
    }

    fn with(bits: &[usize]) -> String {
        let bit = |bit| if bits.contains(&bit) { '1' } else { '0' };
        (0..64).map(bit).collect()
    }

    #[test]
    fn devices_that_lose_by_it_are_not_tried_ones() {
        let lose = ["veth", "vxlan", "tun", "bridge", "ena", "mlx5_core", "igb"];
        for name in lose {
            let found = tried(&of(name, None));
            assert_eq!(found, Err(Untried::Driver(name.to_owned())));
        }
        let unknown = Untried::Driver("unknown".to_owned());
        assert_eq!(tried(&Driver::default()), Err(unknown));
    }

    #[test]
    fn a_virtio_card_is_a_tried_one_where_its_host_does_nothing_for_it() {
        // What it does for what the card sends (0, 11, 12), the address (5) and one buffer of many (15) stay.
        let sends = with(&[0, 5, 11, 12, 15, 16, 17, 32]);
        assert_eq!(tried(&of(VIRTIO, Some(&sends))), Ok(()));
        for bit in [1, 7, 8, 9, 10, 54, 55] {
            let found = tried(&of(VIRTIO, Some(&with(&[5, bit]))));
            assert_eq!(found, Err(Untried::Offloads), "{bit}");
        }
    }

    #[test]
    fn a_virtio_card_that_cannot_be_asked_is_left_alone() {
        assert!(tried(&of(VIRTIO, None)).is_err());
        for cut in ["", "0000010", &with(&[])[..54]] {
            assert_eq!(tried(&of(VIRTIO, Some(cut))), Err(Untried::Offloads));
        }
        assert!(tried(&of("virtio_blk", Some(&with(&[])))).is_err());
    }
}
