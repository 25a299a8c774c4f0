//! Rules of volume attachments.

pub mod validation;
