//! Cells as the bytes that a roll-up holds: small, since most amounts have few decimals and most counts are small.

use mongodb::bson::{Binary, spec::BinarySubtype};
use serde::{Deserialize, Serialize};

use super::StoreError;
use crate::domain::{Amount, Cells, Month};

/// Months from `first` on; sums with `scale` decimals.
#[derive(Serialize, Deserialize)]
struct Packed {
    first: u16,
    scale: u8,
    cells: Vec<(i128, u32)>,
}

pub(super) fn pack(cells: &Cells) -> Result<Binary, StoreError> {
    let scale = scale_of(cells.units().iter().copied());
    let unit = unit_of(scale);
    let packed = Packed {
        first: cells.first_month().map_or(0, Month::index),
        scale,
        cells: cells.units().iter().map(|units| units / unit).zip(cells.counts().iter().copied()).collect(),
    };
    let bytes = postcard::to_allocvec(&packed).map_err(|error| corrupt(&error))?;
    Ok(Binary { subtype: BinarySubtype::Generic, bytes })
}

pub(super) fn unpack(binary: &Binary) -> Result<Cells, StoreError> {
    let packed: Packed = postcard::from_bytes(&binary.bytes).map_err(|error| corrupt(&error))?;
    if packed.cells.is_empty() {
        return Ok(Cells::default());
    }
    let unreadable = || StoreError::Corrupt { collection: "rollups", reason: "cells are not cells".to_owned() };
    let unit = unit_of_read(packed.scale).ok_or_else(unreadable)?;
    let units = packed.cells.iter().map(|(scaled, _)| scaled.checked_mul(unit)).collect::<Option<_>>();
    let counts = packed.cells.iter().map(|(_, count)| *count).collect();
    let first = Month::from_index(packed.first).ok_or_else(unreadable)?;
    Cells::from_parts(first, units.ok_or_else(unreadable)?, counts).map_err(|error| corrupt(&error))
}

/// How many decimals sums have, in units of 10^-16.
pub(super) fn scale_of(sums: impl Iterator<Item = i128>) -> u8 {
    let (mut scale, mut unit) = (0, unit_of(0));
    for units in sums {
        while units % unit != 0 {
            scale += 1;
            unit = unit_of(scale);
        }
    }
    scale
}

/// Units of 10^-16 in one of 10^-scale.
pub(super) fn unit_of(scale: u8) -> i128 {
    10_i128.pow(Amount::DECIMALS.saturating_sub(scale.into()))
}

/// The same of a scale that was read from the store; `None` where it is none.
pub(super) fn unit_of_read(scale: u8) -> Option<i128> {
    (u32::from(scale) <= Amount::DECIMALS).then(|| unit_of(scale))
}

fn corrupt(error: &dyn std::error::Error) -> StoreError {
    StoreError::Corrupt { collection: "rollups", reason: error.to_string() }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::{AgeGroup, Gender, Total};

    #[test]
    fn cells_are_packed_small_and_come_back_as_they_were() {
        let mut cells = Cells::default();
        for (month, amount) in [("2015-01", "69731.3602"), ("2015-02", "-0.00001"), ("2021-04", "120")] {
            let total = Total { amount: amount.parse().unwrap(), count: 1 };
            cells.add(month.parse().unwrap(), AgeGroup::From45To54, Gender::F, total).unwrap();
        }
        let packed = pack(&cells).unwrap();
        assert!(packed.bytes.len() < 3 * cells.units().len(), "{} bytes", packed.bytes.len());
        assert_eq!(unpack(&packed).unwrap(), cells);
        let fine = Total { amount: "0.0000000000000001".parse().unwrap(), count: 7 };
        cells.add(Month::LAST, AgeGroup::Under25, Gender::M, fine).unwrap();
        assert_eq!(unpack(&pack(&cells).unwrap()).unwrap(), cells);
        assert_eq!(unpack(&pack(&Cells::default()).unwrap()).unwrap(), Cells::default());
    }

    #[test]
    fn what_is_no_cells_is_refused() {
        for packed in [
            Packed { first: u16::MAX, scale: 0, cells: vec![(1, 1); 12] },
            Packed { first: 0, scale: 17, cells: vec![(1, 1); 12] },
            Packed { first: 0, scale: 0, cells: vec![(1, 1); 11] },
            Packed { first: 0, scale: 0, cells: vec![(i128::MAX, 1); 12] },
        ] {
            let bytes = postcard::to_allocvec(&packed).unwrap();
            assert!(unpack(&Binary { subtype: BinarySubtype::Generic, bytes }).is_err());
        }
        assert!(unpack(&Binary { subtype: BinarySubtype::Generic, bytes: vec![1, 2, 3] }).is_err());
    }
}
