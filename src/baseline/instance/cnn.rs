//! CNN (Hart 1968; spec section 2).

use super::{
    Block,
    search::{Nearest, Scan},
};

/// A set of rows such that the member nearest to any row has the label of that row.
///
/// Passes repeat, but the set only grows: each row remembers its nearest member, and looks only at members that came
/// since. So no pair is looked at twice, however many passes it takes.
pub fn select_rows(block: &Block, drawn: bool) -> Vec<u32> {
    let rows: Vec<u32> = (0..block.len()).collect();
    let mut members = Scan::new(&block.points, Vec::new());
    let mut is_member = vec![false; rows.len()];
    for (label, class) in block.classes(&rows).iter().enumerate() {
        let word = block.draws.child(&[label as u32]).u32_at(0);
        let place = if drawn { (u64::from(word) * class.len() as u64) >> 32 } else { 0 };
        if let Some(row) = class.get(place as usize) {
            members.push(*row);
            is_member[*row as usize] = true;
        }
    }
    let mut nearest = vec![(Nearest::new(1, false), 0); rows.len()];
    let mut visit = |row: u32| {
        if is_member[row as usize] {
            return false;
        }
        let (nearest, seen) = &mut nearest[row as usize];
        members.near_since(*seen, row, nearest.bound(), &mut |member, squared| nearest.offer(member, squared));
        *seen = members.rows().len();
        let wrong = nearest.held().iter().any(|near| block.labels[near.row as usize] != block.labels[row as usize]);
        if wrong {
            members.push(row);
            is_member[row as usize] = true;
        }
        wrong
    };
    let mut added = false;
    block.pace.each(&rows, |row| added |= visit(row));
    while added {
        added = false;
        for rows in rows.chunks(1024) {
            block.pace.advance(0);
            rows.iter().for_each(|row| added |= visit(*row));
        }
    }
    rows.into_iter().filter(|row| is_member[*row as usize]).collect()
}
