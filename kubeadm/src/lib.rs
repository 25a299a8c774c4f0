//! kubeadm.
