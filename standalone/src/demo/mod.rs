//! A demo data set, so that a first look at paystats has something to show.
//!
//! [`Dataset`] makes up card payments for a city. `paystats run` calls [`fill_empty_store`], which uses the public API only: it puts two
//! files into the data lake and starts two loads, postal codes first, because paystats refer to them.

mod amounts;
mod city;
mod dataset;
mod ewkb;
mod fill;
mod noise;

pub use self::{dataset::Dataset, fill::fill_empty_store};
