//! Which node ports a service takes and gives back.
//!
//! Source: `pkg/registry/core/service/storage/alloc.go`.

use super::{
    families::invalid,
    port_range::{PortError, Ports},
};
use api_types::core::v1::{Service, ServiceSpec};
use machinery::{
    field::{ErrorList, Path},
    status::StatusError,
};
use rules::{
    core::v1::service::meaning::{needs_health_check, needs_node_ports},
    report::Report,
};
use std::collections::BTreeMap;

/// Ports taken for a write, and ports that are free when it succeeds.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Moves {
    /// Taken now; to be released when the write fails.
    pub taken: Vec<i32>,
    /// To be released when the write succeeds.
    pub released: Vec<i32>,
}

fn may_have_ports(spec: &ServiceSpec) -> bool {
    matches!(spec.type_.as_str(), "NodePort" | "LoadBalancer")
}

/// The node ports of a service, without its health check's.
pub fn numbers(spec: &ServiceSpec) -> Vec<i32> {
    spec.ports.iter().map(|port| port.node_port).filter(|port| *port != 0).collect()
}

/// Every node port a service holds.
pub fn held(spec: &ServiceSpec) -> Vec<i32> {
    let mut held = numbers(spec);
    if needs_health_check(spec) && spec.health_check_node_port > 0 {
        held.push(spec.health_check_node_port);
    }
    held.sort_unstable();
    held.dedup();
    held
}

fn refused(service: &Service, index: usize, port: i32, error: PortError) -> StatusError {
    let mut errors = ErrorList::new();
    errors.invalid(&Path::of(&["spec", "ports"]).index(index).child("nodePort"), port, error.to_string());
    invalid(service, errors)
}

fn none_left(error: PortError) -> StatusError {
    StatusError::internal_error(format!("failed to allocate a nodePort: {error}"))
}

fn take_any(ports: &mut Ports, moves: &mut Moves) -> Result<i32, PortError> {
    let port = ports.take_any(rand::rng())?;
    moves.taken.push(port);
    Ok(port)
}

fn take(ports: &mut Ports, moves: &mut Moves, port: i32) -> Result<(), PortError> {
    ports.take(port)?;
    moves.taken.push(port);
    Ok(())
}

fn take_health_check(service: &mut Service, ports: &mut Ports, moves: &mut Moves) -> Result<(), StatusError> {
    let wanted = service.spec.health_check_node_port;
    if wanted != 0 {
        return take(ports, moves, wanted).map_err(|error| {
            StatusError::internal_error(format!(
                "failed to allocate requested HealthCheck NodePort {wanted}: {error}"
            ))
        });
    }
    service.spec.health_check_node_port = take_any(ports, moves).map_err(|error| {
        StatusError::internal_error(format!("failed to allocate a HealthCheck NodePort 0: {error}"))
    })?;
    Ok(())
}

/// Ports of a new service: what it asks for, and any for the rest; protocols of one service port share their node port.
pub fn create(service: &mut Service, ports: &mut Ports) -> Result<Moves, StatusError> {
    let mut moves = Moves::default();
    if may_have_ports(&service.spec) {
        let allocates = needs_node_ports(&service.spec);
        let mut shared: BTreeMap<i32, i32> = BTreeMap::new();
        for index in 0..service.spec.ports.len() {
            let (port, wanted) = (service.spec.ports[index].port, service.spec.ports[index].node_port);
            if wanted == 0 && !allocates {
                continue;
            }
            match shared.get(&port) {
                None => {
                    let asked =
                        service.spec.ports.iter().find(|other| other.port == port && other.node_port != 0);
                    let given = match asked.map(|other| other.node_port) {
                        Some(asked) => {
                            take(ports, &mut moves, asked)
                                .map_err(|error| refused(service, index, asked, error))?;
                            asked
                        }
                        None => take_any(ports, &mut moves).map_err(none_left)?,
                    };
                    service.spec.ports[index].node_port = given;
                    shared.insert(port, given);
                }
                Some(given) if wanted == 0 => service.spec.ports[index].node_port = *given,
                Some(given) if wanted != *given => {
                    take(ports, &mut moves, wanted)
                        .map_err(|error| refused(service, index, wanted, error))?;
                }
                Some(_) => {}
            }
        }
    }
    if needs_health_check(&service.spec) {
        take_health_check(service, ports, &mut moves)?;
    }
    Ok(moves)
}

/// Ports of a changed service.
pub fn update(service: &mut Service, old: &Service, ports: &mut Ports) -> Result<Moves, StatusError> {
    let mut moves = Moves::default();
    if may_have_ports(&old.spec) && !may_have_ports(&service.spec) {
        moves.released = numbers(&old.spec);
    }
    if may_have_ports(&service.spec) {
        let before = numbers(&old.spec);
        let allocates = needs_node_ports(&service.spec);
        for index in 0..service.spec.ports.len() {
            let wanted = service.spec.ports[index].node_port;
            if wanted != 0 {
                if !before.contains(&wanted) && !moves.taken.contains(&wanted) {
                    take(ports, &mut moves, wanted)
                        .map_err(|error| refused(service, index, wanted, error))?;
                }
            } else if allocates {
                service.spec.ports[index].node_port = take_any(ports, &mut moves).map_err(none_left)?;
            }
            let port = &service.spec.ports[index];
            let earlier = &service.spec.ports[..index];
            let twice = |other: &&api_types::core::v1::ServicePort| {
                other.node_port == port.node_port && other.protocol == port.protocol
            };
            if port.node_port != 0 && earlier.iter().find(twice).is_some() {
                return Err(StatusError::new(
                    500,
                    "",
                    format!("duplicate nodePort: {{{} {}}}", port.protocol, port.node_port),
                ));
            }
        }
        let now = numbers(&service.spec);
        moves.released.extend(before.into_iter().filter(|port| !now.contains(port)));
    }
    match (needs_health_check(&old.spec), needs_health_check(&service.spec)) {
        (false, true) => take_health_check(service, ports, &mut moves)?,
        (true, false) => moves.released.push(old.spec.health_check_node_port),
        _ => {}
    }
    Ok(moves)
}
