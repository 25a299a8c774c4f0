//! Where volumes have their data, as a table: what each source is called and which of its fields are shown.

use serde_json::Value;

use super::Page;
use super::read::{go_list, number, present, scalar_or, texts};
use crate::values;

/// A source: the field that holds it, what it is, and the lines about it.
pub struct Source {
    field: &'static str,
    what: &'static str,
    lines: &'static [Line],
}

/// A line: its label, the field it shows, and how.
pub struct Line(&'static str, &'static str, Show);

#[derive(Clone, Copy)]
enum Show {
    /// Text or number; empty when absent.
    Text,
    /// A number, 0 when absent.
    Number,
    /// `true` or `false`.
    Flag,
    /// Text, else the default.
    Or(&'static str),
    /// `[a b]`
    List,
    /// `a, b`
    Joined,
    /// A reference to a secret.
    Secret,
    /// `map[a:b]`
    Map,
    /// `key=value`, one a line.
    Pairs,
    /// A size; unset when it is zero.
    Size,
}
use Show::{Flag, Joined, List, Map, Number, Or, Pairs, Secret, Size, Text};

const READ_ONLY: Line = Line("ReadOnly", "readOnly", Flag);
const FS_TYPE: Line = Line("FSType", "fsType", Text);
const SECRET: Line = Line("SecretRef", "secretRef", Secret);

const HOST_PATH: Source = Source {
    field: "hostPath",
    what: "HostPath (bare host directory volume)",
    lines: &[Line("Path", "path", Text), Line("HostPathType", "type", Or("<none>"))],
};
const GCE: Source = Source {
    field: "gcePersistentDisk",
    what: "GCEPersistentDisk (a Persistent Disk resource in Google Compute Engine)",
    lines: &[Line("PDName", "pdName", Text), FS_TYPE, Line("Partition", "partition", Number), READ_ONLY],
};
const AWS: Source = Source {
    field: "awsElasticBlockStore",
    what: "AWSElasticBlockStore (a Persistent Disk resource in AWS)",
    lines: &[Line("VolumeID", "volumeID", Text), FS_TYPE, Line("Partition", "partition", Number), READ_ONLY],
};
const NFS: Source = Source {
    field: "nfs",
    what: "NFS (an NFS mount that lasts the lifetime of a pod)",
    lines: &[Line("Server", "server", Text), Line("Path", "path", Text), READ_ONLY],
};
const ISCSI: Source = Source {
    field: "iscsi",
    what: "ISCSI (an ISCSI Disk resource that is attached to a kubelet's host machine and then exposed to the pod)",
    lines: &[
        Line("TargetPortal", "targetPortal", Text),
        Line("IQN", "iqn", Text),
        Line("Lun", "lun", Number),
        // Upstream leaves the colon out.
        Line("ISCSIInterface\t", "iscsiInterface", Text),
        FS_TYPE,
        READ_ONLY,
        Line("Portals", "portals", List),
        Line("DiscoveryCHAPAuth", "chapAuthDiscovery", Flag),
        Line("SessionCHAPAuth", "chapAuthSession", Flag),
        SECRET,
        Line("InitiatorName", "initiatorName", Or("<none>")),
    ],
};
const GLUSTERFS: &str = "Glusterfs (a Glusterfs mount on the host that shares a pod's lifetime)";
const RBD: Source = Source {
    field: "rbd",
    what: "RBD (a Rados Block Device mount on the host that shares a pod's lifetime)",
    lines: &[
        Line("CephMonitors", "monitors", List),
        Line("RBDImage", "image", Text),
        FS_TYPE,
        Line("RBDPool", "pool", Text),
        Line("RadosUser", "user", Text),
        Line("Keyring", "keyring", Text),
        SECRET,
        READ_ONLY,
    ],
};
const QUOBYTE: Source = Source {
    field: "quobyte",
    what: "Quobyte (a Quobyte mount on the host that shares a pod's lifetime)",
    lines: &[Line("Registry", "registry", Text), Line("Volume", "volume", Text), READ_ONLY],
};
const VSPHERE: Source = Source {
    field: "vsphereVolume",
    what: "vSphereVolume (a Persistent Disk resource in vSphere)",
    lines: &[
        Line("VolumePath", "volumePath", Text),
        FS_TYPE,
        Line("StoragePolicyName", "storagePolicyName", Text),
    ],
};
const CINDER: Source = Source {
    field: "cinder",
    what: "Cinder (a Persistent Disk resource in OpenStack)",
    lines: &[Line("VolumeID", "volumeID", Text), FS_TYPE, READ_ONLY, SECRET],
};
const AZURE_DISK: Source = Source {
    field: "azureDisk",
    what: "AzureDisk (an Azure Data Disk mount on the host and bind mount to the pod)",
    lines: &[
        Line("DiskName", "diskName", Text),
        Line("DiskURI", "diskURI", Text),
        Line("Kind: \t", "kind", Text),
        FS_TYPE,
        Line("CachingMode", "cachingMode", Text),
        READ_ONLY,
    ],
};
const PHOTON: Source = Source {
    field: "photonPersistentDisk",
    what: "PhotonPersistentDisk (a Persistent Disk resource in photon platform)",
    lines: &[Line("PdID", "pdID", Text), FS_TYPE],
};
const PORTWORX: Source = Source {
    field: "portworxVolume",
    what: "PortworxVolume (a Portworx Volume resource)",
    lines: &[Line("VolumeID", "volumeID", Text)],
};
const SCALE_IO: &str = "ScaleIO (a persistent volume backed by a block device in ScaleIO)";
const CEPH_FS: Source = Source {
    field: "cephfs",
    what: "CephFS (a CephFS mount on the host that shares a pod's lifetime)",
    lines: &[
        Line("Monitors", "monitors", List),
        Line("Path", "path", Text),
        Line("User", "user", Text),
        Line("SecretFile", "secretFile", Text),
        SECRET,
        READ_ONLY,
    ],
};
const STORAGE_OS: Source = Source {
    field: "storageos",
    what: "StorageOS (a StorageOS Persistent Disk resource)",
    lines: &[
        Line("VolumeName", "volumeName", Text),
        Line("VolumeNamespace", "volumeNamespace", Text),
        FS_TYPE,
        READ_ONLY,
    ],
};
const FC: Source = Source {
    field: "fc",
    what: "FC (a Fibre Channel disk)",
    lines: &[Line("TargetWWNs", "targetWWNs", Joined), Line("LUN", "lun", Or("<none>")), FS_TYPE, READ_ONLY],
};
const AZURE_FILE: &str = "AzureFile (an Azure File Service mount on the host and bind mount to the pod)";
const FLEX: Source = Source {
    field: "flexVolume",
    what: "FlexVolume (a generic volume resource that is provisioned/attached using an exec based plugin)",
    lines: &[Line("Driver", "driver", Text), FS_TYPE, SECRET, READ_ONLY, Line("Options", "options", Map)],
};
const FLOCKER: Source = Source {
    field: "flocker",
    what: "Flocker (a Flocker volume mounted by the Flocker agent)",
    lines: &[Line("DatasetName", "datasetName", Text), Line("DatasetUUID", "datasetUUID", Text)],
};
const CSI: &str = "CSI (a Container Storage Interface (CSI) volume source)";
const ATTRIBUTES: Line = Line("VolumeAttributes", "volumeAttributes", Pairs);

/// Sources of the volumes of pods.
pub const OF_PODS: &[Source] = &[
    HOST_PATH,
    Source {
        field: "emptyDir",
        what: "EmptyDir (a temporary directory that shares a pod's lifetime)",
        lines: &[Line("Medium", "medium", Text), Line("SizeLimit", "sizeLimit", Size)],
    },
    GCE,
    AWS,
    Source {
        field: "gitRepo",
        what: "GitRepo (a volume that is pulled from git when the pod is created)",
        lines: &[Line("Repository", "repository", Text), Line("Revision", "revision", Text)],
    },
    Source {
        field: "secret",
        what: "Secret (a volume populated by a Secret)",
        lines: &[Line("SecretName", "secretName", Text), Line("Optional", "optional", Flag)],
    },
    Source {
        field: "configMap",
        what: "ConfigMap (a volume populated by a ConfigMap)",
        lines: &[Line("Name", "name", Text), Line("Optional", "optional", Flag)],
    },
    NFS,
    ISCSI,
    Source {
        field: "glusterfs",
        what: GLUSTERFS,
        lines: &[Line("EndpointsName", "endpoints", Text), Line("Path", "path", Text), READ_ONLY],
    },
    Source {
        field: "persistentVolumeClaim",
        what: "PersistentVolumeClaim (a reference to a PersistentVolumeClaim in the same namespace)",
        lines: &[Line("ClaimName", "claimName", Text), READ_ONLY],
    },
    RBD,
    QUOBYTE,
    AZURE_DISK,
    VSPHERE,
    CINDER,
    PHOTON,
    PORTWORX,
    Source {
        field: "scaleIO",
        what: SCALE_IO,
        lines: &[
            Line("Gateway", "gateway", Text),
            Line("System", "system", Text),
            Line("Protection Domain", "protectionDomain", Text),
            Line("Storage Pool", "storagePool", Text),
            Line("Storage Mode", "storageMode", Text),
            Line("VolumeName", "volumeName", Text),
            FS_TYPE,
            READ_ONLY,
        ],
    },
    CEPH_FS,
    STORAGE_OS,
    FC,
    Source {
        field: "azureFile",
        what: AZURE_FILE,
        lines: &[Line("SecretName", "secretName", Text), Line("ShareName", "shareName", Text), READ_ONLY],
    },
    FLEX,
    FLOCKER,
    Source {
        field: "csi",
        what: CSI,
        lines: &[Line("Driver", "driver", Text), FS_TYPE, READ_ONLY, ATTRIBUTES],
    },
    Source {
        field: "image",
        what: "Image (a container image or OCI artifact)",
        lines: &[Line("Reference", "reference", Text), Line("PullPolicy", "pullPolicy", Text)],
    },
];

/// Sources of persistent volumes.
pub const OF_VOLUMES: &[Source] = &[
    HOST_PATH,
    GCE,
    AWS,
    NFS,
    ISCSI,
    Source {
        field: "glusterfs",
        what: GLUSTERFS,
        lines: &[
            Line("EndpointsName", "endpoints", Text),
            Line("EndpointsNamespace", "endpointsNamespace", Or("<unset>")),
            Line("Path", "path", Text),
            READ_ONLY,
        ],
    },
    RBD,
    QUOBYTE,
    VSPHERE,
    CINDER,
    AZURE_DISK,
    PHOTON,
    PORTWORX,
    Source {
        field: "scaleIO",
        what: SCALE_IO,
        lines: &[
            Line("Gateway", "gateway", Text),
            Line("System", "system", Text),
            Line("Protection Domain", "protectionDomain", Text),
            Line("Storage Pool", "storagePool", Text),
            Line("Storage Mode", "storageMode", Text),
            Line("VolumeName", "volumeName", Text),
            Line("SecretName", "secretRef/name", Text),
            Line("SecretNamespace", "secretRef/namespace", Text),
            FS_TYPE,
            READ_ONLY,
        ],
    },
    Source {
        field: "local",
        what: "LocalVolume (a persistent volume backed by local storage on a node)",
        lines: &[Line("Path", "path", Text)],
    },
    CEPH_FS,
    STORAGE_OS,
    FC,
    Source {
        field: "azureFile",
        what: AZURE_FILE,
        lines: &[
            Line("SecretName", "secretName", Text),
            Line("SecretNamespace", "secretNamespace", Text),
            Line("ShareName", "shareName", Text),
            READ_ONLY,
        ],
    },
    FLEX,
    FLOCKER,
    Source {
        field: "csi",
        what: CSI,
        lines: &[
            Line("Driver", "driver", Text),
            FS_TYPE,
            Line("VolumeHandle", "volumeHandle", Text),
            READ_ONLY,
            ATTRIBUTES,
        ],
    },
];

/// Writes the first source of the table that `volume` has.
pub fn describe(volume: &Value, table: &[Source], page: &mut Page) {
    let found = table.iter().find(|source| present(volume, &format!("/{}", source.field)));
    let Some((source, own)) = found.and_then(|source| Some((source, volume.get(source.field)?))) else {
        page.line(1, "<unknown>");
        return;
    };
    page.field(2, "Type", source.what);
    for Line(label, field, show) in source.lines {
        let pointer = format!("/{field}");
        if matches!(show, Pairs) {
            pairs(label, own, &pointer, page);
            continue;
        }
        let text = shown(own, &pointer, *show);
        if label.ends_with('\t') {
            page.line(2, &format!("{label}{text}"));
        } else {
            page.field(2, label, text);
        }
    }
}

fn shown(own: &Value, pointer: &str, show: Show) -> String {
    match show {
        Text | Pairs => scalar_or(own, pointer, ""),
        Number => number(own, pointer).to_string(),
        Flag => values::flag(own, pointer).to_string(),
        Or(default) => scalar_or(own, pointer, default),
        List => go_list(own, pointer),
        Joined => texts(own, pointer).join(", "),
        Map => own.pointer(pointer).map_or_else(|| "map[]".to_owned(), crate::print::columns::shown),
        Size => {
            let text = scalar_or(own, pointer, "");
            let empty = machinery::Quantity::parse(&text).map_or(true, |size| size.sign() <= 0);
            if empty { "<unset>".to_owned() } else { text }
        }
        Secret => match own.pointer(pointer).filter(|secret| !secret.is_null()) {
            None => "nil".to_owned(),
            Some(secret) => {
                let name = values::text(secret, "/name");
                match secret.get("namespace").and_then(Value::as_str) {
                    Some(namespace) => format!("&SecretReference{{Name:{name},Namespace:{namespace},}}"),
                    None => format!("&LocalObjectReference{{Name:{name},}}"),
                }
            }
        },
    }
}

/// Entries one a line; those after the first are indented, tab and all.
fn pairs(label: &str, own: &Value, pointer: &str, page: &mut Page) {
    let entries = super::page::pairs(own, pointer);
    page.part(2, &format!("{label}:\t"));
    if entries.is_empty() {
        page.line(0, "<none>");
    }
    for (at, entry) in entries.iter().enumerate() {
        if at > 0 {
            page.part(2, "");
            page.part(2, "\t");
        }
        page.line(2, &super::page::shorten(entry, 140));
    }
}
