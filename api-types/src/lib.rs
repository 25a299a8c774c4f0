//! api-types.
