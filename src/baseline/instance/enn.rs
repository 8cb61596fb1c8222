//! ENN (Wilson 1972; spec section 1).

use super::{
    Block,
    search::{index, nearest, vote},
};

/// The rows whose label most of their `k` nearest share. All are judged before any is removed.
pub fn select_rows(block: &Block, k: usize) -> Vec<u32> {
    let rows: Vec<u32> = (0..block.len()).collect();
    let all = index(&block.points, rows.clone(), block.knn);
    let kept = block.pace.map(&rows, |row| {
        let nearest = nearest(&*all, row, k);
        let votes = nearest.held().iter().map(|near| block.labels[near.row as usize]);
        vote(votes).is_none_or(|label| label == block.labels[row as usize])
    });
    rows.into_iter().zip(kept).filter(|(_, kept)| *kept).map(|(row, _)| row).collect()
}
