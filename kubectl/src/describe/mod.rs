//! Objects for people: `describe`.
