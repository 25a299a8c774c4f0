//! Rules of daemon sets.

pub mod defaults;
