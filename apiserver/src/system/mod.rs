//! What lives inside the server: loops that keep the cluster's own objects, indexes fed from the stores,
//! and resources that are answered rather than stored.

pub mod authorization_feed;
pub mod follow;
pub mod reviews;
pub mod token_objects;
pub mod token_requests;
pub mod typed;
pub mod virtual_resources;
