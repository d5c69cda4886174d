//! Interleaving. Pure.

use std::ops::AddAssign;

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

/// Measures every variant in turns, in slices of each round, so that a slow second meets all of them.
/// By variant, the sum of each round.
pub(super) fn in_turns<T: AddAssign + Clone + Default, E>(
    variants: usize,
    [rounds, slices]: [usize; 2],
    mut block: impl FnMut(usize) -> Result<T, E>,
) -> Result<Vec<Vec<T>>, E> {
    let mut sums = vec![vec![T::default(); rounds]; variants];
    for round in 0..rounds {
        for slice in 0..slices {
            for turn in order(round + slice, variants) {
                let sum = sums.get_mut(turn).and_then(|sums| sums.get_mut(round));
                if let Some(sum) = sum {
                    *sum += block(turn)?;
                }
            }
        }
    }
    Ok(sums)
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
    fn every_slice_of_a_round_adds_to_its_own_sum() {
        let mut turns = 0;
        let sums = in_turns(2, [3, 4], |variant| {
            turns += 1;
            Ok::<_, ()>(10_usize.pow(u32::try_from(variant).expect("few")))
        });
        assert_eq!(sums, Ok(vec![vec![4; 3], vec![40; 3]]));
        assert_eq!(turns, 2 * 3 * 4);
        let failed = in_turns(2, [1, 1], |_| Err::<u32, _>("no"));
        assert_eq!(failed, Err("no"));
    }
}
