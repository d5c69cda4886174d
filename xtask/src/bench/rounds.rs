//! Interleaving and ratios. Pure.

/// Positions `0..variants` in the order of a round: rotated, so that no variant always follows the
/// same one or comes first.
pub(super) fn order(round: usize, variants: usize) -> Vec<usize> {
    let turned = (0..variants).map(|step| (round + step) % variants.max(1));
    // Every second turn backwards, else each variant would keep its neighbour.
    if (round / variants.max(1)).is_multiple_of(2) {
        turned.collect()
    } else {
        turned.rev().collect()
    }
}

/// Per round, what was measured with as a share of without.
pub(super) fn ratios(with: &[f64], without: &[f64]) -> Vec<f64> {
    let pairs = with.iter().zip(without);
    pairs.map(|(with, without)| with / without).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_round_has_every_variant_and_orders_differ() {
        let orders: Vec<_> = (0..6).map(|round| order(round, 3)).collect();
        for order in &orders {
            let mut sorted = order.clone();
            sorted.sort_unstable();
            assert_eq!(sorted, [0, 1, 2]);
        }
        assert_eq!(orders[0], [0, 1, 2]);
        assert_eq!(orders[1], [1, 2, 0]);
        assert_eq!(orders[3], [2, 1, 0]);
        assert!(order(0, 0).is_empty());
    }

    #[test]
    fn a_ratio_is_of_one_round() {
        assert_eq!(ratios(&[1.0, 3.0], &[2.0, 3.0]), [0.5, 1.0]);
    }
}
