//! What holds of the project as a whole: its dependencies, the files it is deployed by, and engines that demand TLS and passwords.

mod dependencies;
mod deployment;
mod fuzz;
mod observability;
mod secured_engines;
