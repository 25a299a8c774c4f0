//! Selectors: which objects a list, a watch or a controller means, by labels or by fields.

pub mod fields;
pub mod labels;
