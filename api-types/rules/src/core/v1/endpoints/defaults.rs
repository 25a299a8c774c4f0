//! Defaults of endpoints.

use api_types::core::v1::Endpoints;

/// Defaults of endpoints.
pub fn set(endpoints: &mut Endpoints) {
    for port in endpoints.subsets.iter_mut().flat_map(|subset| &mut subset.ports) {
        if port.protocol.is_empty() {
            port.protocol = "TCP".to_owned();
        }
    }
}
