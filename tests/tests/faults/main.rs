//! Whatever dies, stops, or is cut off: an accepted load still ends, once, with exactly its rows, or leaves the store as it was.
//!
//! Most stories are played in [rounds](paystats_tests::rounds): one in `make test`, many in `make torture`.

mod cancels;
mod cluster;
mod combined;
mod connections;
mod disks;
mod engines;
mod kills;
mod overlaps;
mod pauses;
mod policies;
mod servers;
mod sources;
mod undos;
mod work;
