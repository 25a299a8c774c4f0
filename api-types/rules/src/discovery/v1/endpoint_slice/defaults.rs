//! Defaults of endpoint slices.

use api_types::discovery::v1::EndpointSlice;

/// Defaults of an endpoint slice.
pub fn set(slice: &mut EndpointSlice) {
    for port in &mut slice.ports {
        port.name.get_or_insert_default();
        port.protocol.get_or_insert_with(|| "TCP".to_owned());
    }
}
