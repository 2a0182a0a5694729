//! What selecting a list may cost: a field costs one, and each item of a list as much as what is selected of it. `PAYSTATS_MAX_COMPLEXITY` bounds
//! the sum.

/// Items that a list is taken to have where the client names no number.
const USUAL: i32 = 1_000;

/// A page of a connection; 50 where the client names no number.
pub fn page_cost(first: Option<i32>, last: Option<i32>, each: usize) -> usize {
    cost(first.or(last).unwrap_or(50), each)
}

/// A list that is answered as a whole.
pub fn list_cost(first: Option<i32>, each: usize) -> usize {
    cost(first.unwrap_or(USUAL), each)
}

/// A number below zero is refused when the field is resolved.
fn cost(items: i32, each: usize) -> usize {
    usize::try_from(items).unwrap_or_default().saturating_mul(each).saturating_add(1)
}
