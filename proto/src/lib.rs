//! What we speak to programs that are not ours: gRPC messages, clients and servers of public interfaces.

/// CRI v1 (`runtime.v1`): what the node agent asks of a container runtime.
pub mod cri {
    #![allow(missing_docs, clippy::all)]
    tonic::include_proto!("runtime.v1");
}

/// Device plugins (`v1beta1`): registration and allocation of devices.
pub mod device_plugin {
    #![allow(missing_docs, clippy::all)]
    tonic::include_proto!("v1beta1");
}

/// Pod resources (`v1`): what monitoring agents ask about devices, CPUs and memory of containers.
pub mod pod_resources {
    #![allow(missing_docs, clippy::all)]
    tonic::include_proto!("v1");
}

/// Plugin registration (`pluginregistration`): the handshake of CSI drivers and device plugins.
pub mod plugin_registration {
    #![allow(missing_docs, clippy::all)]
    tonic::include_proto!("pluginregistration");
}

/// KMS v2 (`v2`): encryption of stored objects by an outside key service.
pub mod kms {
    #![allow(missing_docs, clippy::all)]
    tonic::include_proto!("v2");
}

/// gRPC health checking (`grpc.health.v1`): what probes of kind `grpc` call.
pub mod grpc_health {
    #![allow(missing_docs, clippy::all)]
    tonic::include_proto!("grpc.health.v1");
}
