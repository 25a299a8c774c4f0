//! Resources of group `policy`.

pub mod poddisruptionbudgets;
