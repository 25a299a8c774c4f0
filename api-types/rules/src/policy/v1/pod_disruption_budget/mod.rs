//! Rules of pod disruption budgets.

pub mod validation;
