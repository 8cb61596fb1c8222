//! Local sets: LSSm and LSBo (Leyva, González and Pérez 2015; spec section 4).
//! The local set of a row are the rows nearer to it than its nearest enemy, which is the nearest row of the other
//! label; so all of them have its own label. Sets are never stored: a row keeps its enemy's distance, and the set is
//! searched for again where it is needed.

use super::{
    Block,
    search::{Neighbour, Scan, Search, below, index, nearest},
};
use crate::types::EnemyTies;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};

/// The unit of harm. Shares of it are rounded down, so that shares that make up a whole never exceed it.
const WHOLE: u64 = 1 << 40;

/// LSSm: the rows that are in at least as many local sets as there are rows whose nearest enemy they are.
pub fn select_smooth(block: &Block, include_self: bool, ties: EnemyTies) -> Vec<u32> {
    let rows: Vec<u32> = (0..block.len()).collect();
    let Some(sets) = LocalSets::new(block, &rows) else { return rows };
    let (usefulness, harm) = (sets.usefulness(include_self), sets.harm(ties));
    let is_kept = |row: &u32| u64::from(usefulness[*row as usize]) * WHOLE >= harm[*row as usize];
    rows.iter().copied().filter(is_kept).collect()
}

/// LSBo: the smoothed rows in order of the size of their local sets, smallest first, but for those that have a row
/// chosen before in their own set.
pub fn select_border(block: &Block, include_self: bool, ties: EnemyTies) -> Vec<u32> {
    let smoothed = select_smooth(block, include_self, ties);
    block.pace.advance(3 * (block.labels.len() - smoothed.len()));
    let Some(sets) = LocalSets::new(block, &smoothed) else { return smoothed };
    let order: Vec<u32> = sets.sort_by_size().into_iter().map(|(row, _)| row).collect();
    let mut chosen = sets.choose(&order);
    chosen.sort_unstable();
    chosen
}

/// Local sets among some rows of a block, both classes among them.
struct LocalSets<'a> {
    block: &'a Block<'a>,
    rows: &'a [u32],
    /// The rows of each class.
    classes: [Box<dyn Search + 'a>; 2],
    /// The nearest enemy of each row of the block. Vectors that are not numbers have none.
    enemies: Vec<Option<Neighbour>>,
}

impl<'a> LocalSets<'a> {
    /// `None` where a class is missing: nobody has an enemy.
    fn new(block: &'a Block, rows: &'a [u32]) -> Option<Self> {
        let classes = block.classes(rows);
        if classes.iter().any(Vec::is_empty) {
            return None;
        }
        let classes = classes.map(|rows| index(&block.points, rows, block.knn));
        let found = block.pace.map(rows, |row| {
            let enemies = &*classes[1 - block.class(row)];
            nearest(enemies, row, 1).held().first().copied()
        });
        let mut enemies = vec![None; block.labels.len()];
        for (row, enemy) in rows.iter().zip(found) {
            enemies[*row as usize] = enemy;
        }
        Some(Self { block, rows, classes, enemies })
    }

    /// The squared distance below which a row is in the local set of `row`.
    fn reach(&self, row: u32) -> f64 {
        self.enemies[row as usize].map_or(0.0, |enemy| below(enemy.key))
    }

    /// Calls `each` for the members of the local set of `row`.
    fn visit_members(&self, row: u32, each: &mut dyn FnMut(u32)) {
        let reach = self.reach(row);
        if reach > 0.0 {
            self.classes[self.block.class(row)].near(row, reach, &mut |other, _| {
                if other != row {
                    each(other);
                }
                reach
            });
        }
    }

    /// By row of the block: the local sets it is in.
    fn usefulness(&self, include_self: bool) -> Vec<u32> {
        let counts: Vec<AtomicU32> = self.enemies.iter().map(|_| AtomicU32::new(0)).collect();
        let count = |row: u32| {
            counts[row as usize].fetch_add(1, Ordering::Relaxed);
        };
        self.block.pace.map(self.rows, |row| {
            self.visit_members(row, &mut |member| count(member));
            if include_self && self.reach(row) > 0.0 {
                count(row);
            }
        });
        counts.into_iter().map(AtomicU32::into_inner).collect()
    }

    /// By row of the block: the rows whose nearest enemy it is, times `WHOLE`.
    fn harm(&self, ties: EnemyTies) -> Vec<u64> {
        let harm: Vec<AtomicU64> = self.enemies.iter().map(|_| AtomicU64::new(0)).collect();
        let blame = |enemies: &[u32]| {
            for enemy in enemies {
                harm[*enemy as usize].fetch_add(WHOLE / enemies.len() as u64, Ordering::Relaxed);
            }
        };
        self.block.pace.map(self.rows, |row| {
            let Some(enemy) = self.enemies[row as usize] else { return };
            match ties {
                EnemyTies::Lowest => blame(&[enemy.row]),
                EnemyTies::Split => {
                    let (mut tied, as_near) = (Vec::new(), below(enemy.key + 1.0));
                    self.classes[1 - self.block.class(row)].near(row, as_near, &mut |other, _| {
                        tied.push(other);
                        as_near
                    });
                    blame(&tied);
                }
            }
        });
        harm.into_iter().map(AtomicU64::into_inner).collect()
    }

    /// The rows with the size of their local sets, the smallest first.
    fn sort_by_size(&self) -> Vec<(u32, u32)> {
        let mut sizes = self.block.pace.map(self.rows, |row| {
            let mut size = 0;
            self.visit_members(row, &mut |_| size += 1);
            (row, size)
        });
        sizes.sort_by_key(|(_, size)| *size);
        sizes
    }

    /// Goes through the rows in this order, and chooses those whose local set has no chosen row yet.
    fn choose(&self, order: &[u32]) -> Vec<u32> {
        let mut chosen = Vec::new();
        let mut by_class = [0, 1].map(|_| Scan::new(&self.block.points, Vec::new()));
        self.block.pace.each(order, |row| {
            let own = &mut by_class[self.block.class(row)];
            let mut is_taken = false;
            own.near(row, self.reach(row), &mut |_, _| {
                is_taken = true;
                0.0
            });
            if !is_taken {
                own.push(row);
                chosen.push(row);
            }
        });
        chosen
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::baseline::instance::testing::{block, cases, ints, pace};

    #[test]
    fn local_sets_are_the_vectors() {
        let pace = pace();
        for (name, case) in cases("cases") {
            let (trace, block) = (&case["lssm_trace"], block(&case, &pace));
            let rows: Vec<u32> = (0..block.len()).collect();
            let Some(sets) = LocalSets::new(&block, &rows) else {
                assert_eq!(name, "single_class");
                continue;
            };
            let enemies: Vec<u32> = sets.enemies.iter().map(|enemy| enemy.unwrap().row).collect();
            assert_eq!(enemies, ints::<u32>(&trace["nearest_enemy"]), "{name}");
            for (row, expected) in rows.iter().zip(trace["local_sets"].as_array().unwrap()) {
                let mut members = Vec::new();
                sets.visit_members(*row, &mut |member| members.push(member));
                assert_eq!(members, ints::<u32>(expected), "{name}");
            }
            assert_eq!(sets.usefulness(false), ints::<u32>(&trace["u"]), "{name}");
            let harm = sets.harm(EnemyTies::Lowest);
            assert_eq!(harm.iter().map(|harm| harm / WHOLE).collect::<Vec<_>>(), ints::<u64>(&trace["h"]), "{name}");
        }
    }

    #[test]
    fn borders_are_chosen_as_in_the_vectors() {
        let pace = pace();
        for (name, case) in cases("cases") {
            let (trace, block) = (&case["lsbo_trace"], block(&case, &pace));
            let smoothed = select_smooth(&block, false, EnemyTies::Lowest);
            let Some(sets) = LocalSets::new(&block, &smoothed) else {
                assert_eq!(name, "single_class");
                continue;
            };
            assert_eq!(smoothed, ints::<u32>(&trace["after_lssm"]), "{name}");
            let by_size = sets.sort_by_size();
            for (row, size) in &by_size {
                assert_eq!(trace["lsc"][row.to_string()], *size, "{name}: {row}");
            }
            let order: Vec<u32> = by_size.iter().map(|(row, _)| *row).collect();
            assert_eq!(order, ints::<u32>(&trace["order"]), "{name}");
            assert_eq!(sets.choose(&order), ints::<u32>(&trace["added_in_order"]), "{name}");
        }
    }

    #[test]
    fn twins_of_the_other_label_leave_no_local_set() {
        let case = serde_json::json!({"x": [[0.0], [0.0], [1.0], [1.5]], "y": [0, 1, 1, 1]});
        let pace = pace();
        let block = block(&case, &pace);
        let rows = [0, 1, 2, 3];
        let sets = LocalSets::new(&block, &rows).unwrap();
        // 0 and 1 are each other's enemies, at distance 0; 2 and 3 have 0 for theirs, as far as 1, and are nearer together.
        assert_eq!(sets.usefulness(true), [0, 0, 2, 2]);
        assert_eq!(sets.harm(EnemyTies::Lowest), [3 * WHOLE, WHOLE, 0, 0]);
    }

    #[test]
    fn tied_enemies_share_the_blame() {
        let case = serde_json::json!({"x": [[0.0], [1.0], [-1.0], [1.0]], "y": [0, 1, 1, 1]});
        let pace = pace();
        let block = block(&case, &pace);
        let rows = [0, 1, 2, 3];
        let sets = LocalSets::new(&block, &rows).unwrap();
        assert_eq!(sets.harm(EnemyTies::Lowest), [3 * WHOLE, WHOLE, 0, 0]);
        assert_eq!(sets.harm(EnemyTies::Split), [3 * WHOLE, WHOLE / 3, WHOLE / 3, WHOLE / 3]);
    }
}
