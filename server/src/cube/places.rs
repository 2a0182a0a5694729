//! The blocks of all postal codes, in pages that snapshots share.

use std::{mem, sync::Arc};

use paystats_core::domain::PostalCodeId;

use super::block::Block;

/// Blocks by postal code.
///
/// A copy counts one more user of each page, and a change copies the page that it falls on. Without pages a change would count the
/// users of every block, which at 11,000 postal codes takes ten times as long as all the rest of it.
#[derive(Clone, Debug, Default)]
pub(super) struct Places {
    /// In order, none of them empty.
    pages: Vec<Arc<Page>>,
}

/// Blocks in order of their postal codes.
type Page = Vec<(PostalCodeId, Arc<Block>)>;

impl Places {
    /// Postal codes of a page that has just been divided.
    const HALF_A_PAGE: usize = 64;

    /// The block of a postal code.
    pub fn get(&self, id: PostalCodeId) -> Option<&Block> {
        let page = self.pages.get(self.page_for(id))?;
        let place = page.binary_search_by_key(&id, |(id, _)| *id).ok()?;
        Some(&page[place].1)
    }

    /// All blocks, in order of their postal codes.
    pub fn iter(&self) -> impl Iterator<Item = (PostalCodeId, &Block)> {
        self.pages.iter().flat_map(|page| page.iter()).map(|(id, block)| (*id, &**block))
    }

    /// Puts a block in the place of a postal code's, or takes that out; what was there before.
    pub fn replace(&mut self, id: PostalCodeId, block: Option<Arc<Block>>) -> Option<Arc<Block>> {
        if self.pages.is_empty() {
            self.pages.push(Arc::default());
        }
        let at = self.page_for(id);
        let page = Arc::make_mut(&mut self.pages[at]);
        let before = match (page.binary_search_by_key(&id, |(id, _)| *id), block) {
            (Ok(place), Some(block)) => Some(mem::replace(&mut page[place].1, block)),
            (Ok(place), None) => Some(page.remove(place).1),
            (Err(place), Some(block)) => {
                page.insert(place, (id, block));
                None
            }
            (Err(_), None) => None,
        };
        if page.is_empty() {
            self.pages.remove(at);
        } else if page.len() > 2 * Self::HALF_A_PAGE {
            let rest = page.split_off(Self::HALF_A_PAGE);
            self.pages.insert(at + 1, Arc::new(rest));
        }
        before
    }

    /// The page on which a postal code stands, or would stand: the last one that starts with it or before it.
    fn page_for(&self, id: PostalCodeId) -> usize {
        self.pages.partition_point(|page| page.first().is_some_and(|(first, _)| *first <= id)).saturating_sub(1)
    }
}

#[cfg(test)]
mod tests {
    use paystats_core::domain::{AgeGroup, Cells, Gender, Month, Total};

    use super::*;

    fn block() -> Option<Arc<Block>> {
        let mut cells = Cells::default();
        cells.add(Month::LAST, AgeGroup::From65, Gender::F, Total { count: 1, ..Total::default() }).unwrap();
        Block::new(&cells).map(Arc::new)
    }

    #[test]
    fn pages_stay_small_and_a_change_copies_one_of_them() {
        let id = |number: i32| PostalCodeId::try_from(number).unwrap();
        let mut places = Places::default();
        // First from the middle up, then from there down.
        for number in (500..1_000).chain((0..500).rev()) {
            places.replace(id(number), block());
        }
        assert!(places.iter().map(|(id, _)| id).eq((0..1_000).map(id)));
        assert!(places.pages.iter().all(|page| (1..=2 * Places::HALF_A_PAGE).contains(&page.len())));
        let mut next = places.clone();
        assert!(next.replace(id(700), None).is_some());
        assert!(next.get(id(700)).is_none() && places.get(id(700)).is_some());
        let shared = next.pages.iter().zip(&places.pages).filter(|(new, old)| Arc::ptr_eq(new, old)).count();
        assert_eq!(shared, places.pages.len() - 1);
    }
}
