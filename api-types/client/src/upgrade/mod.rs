//! Requests that become two-way streams: exec, attach and port-forward.
