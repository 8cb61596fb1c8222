//! Dealing rows into blocks, each with its share of either label (spec section 0.2).

use crate::random::{Purpose, Stream};

/// Blocks of at most `block_size` rows (0: one of all), each ascending. Blocks differ by at most one row, in all and of
/// each label.
pub fn deal(labels: &[u8], block_size: usize, seed: u64) -> Vec<Vec<u32>> {
    let count = if block_size == 0 { 1 } else { labels.len().div_ceil(block_size).max(1) };
    let mut dealt = Vec::with_capacity(labels.len());
    for label in [0, 1] {
        let mut rows: Vec<u32> = (0..labels.len() as u32).filter(|row| labels[*row as usize] == label).collect();
        Stream::new(seed, Purpose::Blocks, &[u32::from(label)]).shuffle(&mut rows);
        dealt.extend(rows);
    }
    let mut blocks: Vec<Vec<u32>> =
        (0..count).map(|block| dealt.iter().skip(block).step_by(count).copied().collect()).collect();
    blocks.iter_mut().for_each(|rows| rows.sort_unstable());
    blocks
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn blocks_share_the_rows_and_the_labels_evenly() {
        let labels: Vec<u8> = (0..1003).map(|row| u8::from(row % 3 == 0)).collect();
        let blocks = deal(&labels, 100, 5);
        assert_eq!(blocks.len(), 11);
        let mut all = blocks.concat();
        all.sort_unstable();
        assert_eq!(all, (0..1003).collect::<Vec<_>>());
        for rows in &blocks {
            assert!(rows.is_sorted() && (91..=92).contains(&rows.len()), "{}", rows.len());
            let of_one = rows.iter().filter(|row| labels[**row as usize] == 1).count();
            assert!((30..=31).contains(&of_one), "{of_one}");
        }
        assert_ne!(deal(&labels, 100, 6), blocks);
        assert_eq!(deal(&labels, 0, 5), deal(&labels, 1003, 5));
    }
}
