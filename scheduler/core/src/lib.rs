//! scheduler-core.
