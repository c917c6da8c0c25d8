//! The notes of the commits: what each has other processes forget.
//!
//! Every row names the one before it, so that a row which is not kept any more is missed.

use crate::backend::Notes;

/// So many of the newest are kept.
pub(crate) const KEPT: u64 = 100_000;
/// After so many it is looked whether old ones can go.
pub(crate) const LOOK_FOR_OLD: u64 = 4096;

/// A commit with a note, the last one before it, and the note.
pub(crate) type Row = (u64, u64, Vec<u8>);

/// What follows upon a commit: of at most `most` rows, the earliest first, where `noted` is the
/// last commit with a note.
pub(crate) fn following<E>(
    rows: impl Iterator<Item = Result<Row, E>>,
    noted: u64,
    commit: u64,
    most: usize,
) -> Result<Notes, E> {
    let mut found: Vec<(u64, Vec<u8>)> = Vec::new();
    for row in rows {
        let (number, before, note) = row?;
        let follows = match found.last() {
            Some((last, _)) => before == *last,
            None => before <= commit,
        };
        if !follows {
            return Ok(Notes::Lost { noted });
        }
        found.push((number, note));
    }
    // The newest is always kept.
    match found.is_empty() && noted > commit && most > 0 {
        true => Ok(Notes::Lost { noted }),
        false => Ok(Notes::Next(found)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_row_that_is_not_kept_any_more_is_missed() {
        let of = |rows: &[(u64, u64)], commit| {
            let rows = rows
                .iter()
                .map(|(n, before)| Ok::<_, ()>((*n, *before, vec![])));
            following(rows, 9, commit, 5).unwrap()
        };
        let next = |numbers: &[u64]| Notes::Next(numbers.iter().map(|n| (*n, vec![])).collect());
        let lost = Notes::Lost { noted: 9 };
        assert_eq!(of(&[(4, 2), (9, 4)], 2), next(&[4, 9]));
        // Without a note of its own in between.
        assert_eq!(of(&[(4, 2), (9, 4)], 3), next(&[4, 9]));
        assert_eq!(of(&[(9, 4)], 2), lost);
        assert_eq!(of(&[(4, 2), (9, 5)], 2), lost);
        assert_eq!(of(&[], 2), lost);
        assert_eq!(of(&[], 9), next(&[]));
    }
}
