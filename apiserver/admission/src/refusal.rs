//! How plugins refuse: upstream's text and reason, and the name of the object as far as it is known.

use std::fmt;

use machinery::status::StatusError;

use crate::attributes::Attributes;

impl Attributes {
    /// The name a refusal gives the object: a create may only know how it will begin, or nothing yet.
    pub fn name_to_show(&self) -> &str {
        if !self.name.is_empty() {
            return &self.name;
        }
        let meta = self.object.as_deref().map(|object| object.meta());
        let known = meta.into_iter().flat_map(|meta| [&meta.name, &meta.generate_name]);
        known.into_iter().find(|name| !name.is_empty()).map_or("Unknown", String::as_str)
    }

    /// Refuses the request with 403 and `error` as the explanation.
    pub fn forbidden(&self, error: impl fmt::Display) -> StatusError {
        StatusError::forbidden(&self.resource.group_resource(), self.name_to_show(), error)
    }
}
