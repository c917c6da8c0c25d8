//! One thing is done to many (R-ACC-5).

use crate::access::request::Ctx;
use crate::api::bulk::{BulkResult, BulkResults};
use crate::error::Error;

/// Does one thing to many. One that is refused changes nothing, and the others go on; with
/// `atomic`, nothing is done to any of them then. What fails, rather than is refused, ends it all.
///
/// `one` may write into the subject what was found out about it. Where what was done is taken
/// back, the subject is as it was before.
pub(crate) fn each<T: Clone, I>(
    ctx: &mut Ctx<'_>,
    atomic: bool,
    many: impl IntoIterator<Item = (T, I)>,
    mut one: impl FnMut(&mut Ctx<'_>, &mut T, I) -> Result<(), Error>,
) -> Result<BulkResults<T>, Error> {
    let outer = ctx.tx.begin_savepoint();
    let tried = many.into_iter().map(|(before, item)| {
        let mut subject = before.clone();
        match ctx.attempt(|ctx| one(ctx, &mut subject, item)) {
            Err(error) if !error.is_refusal() => Err(error),
            done => Ok((before, BulkResult::new(subject, done.as_ref().copied()))),
        }
    });
    let tried = tried.collect::<Result<Vec<_>, _>>();
    let refused = tried.iter().flatten().filter(|(_, result)| !result.done);
    let refused = refused.count() as u64;
    let keep = tried.is_ok() && (refused == 0 || !atomic);
    ctx.tx.end_savepoint(outer, keep);
    let results = tried?.into_iter().map(|(before, result)| {
        if keep || !result.done {
            return result;
        }
        BulkResult {
            subject: before,
            done: false,
            problem: None,
        }
    });
    Ok(BulkResults {
        results: results.collect(),
        refused,
    })
}

/// Refuses a list of nothing, or of more than one call takes.
pub(crate) fn refuse_size(field: &str, given: usize, most: usize) -> Result<(), Error> {
    if (1..=most).contains(&given) {
        return Ok(());
    }
    let what = field.trim_start_matches('/');
    Err(Error::invalid(
        field,
        format!("One call takes 1 to {most} {what}, not {given}."),
    ))
}
