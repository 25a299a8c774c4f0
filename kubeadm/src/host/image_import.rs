//! Brings the images of an archive into containerd, which CRI has no call for.

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
};

use containerd_client::{
    services::v1::{
        CreateImageRequest, CreateRequest, DeleteRequest, Image as ContainerdImage, UpdateImageRequest,
        WriteAction, WriteContentRequest, content_client::ContentClient, images_client::ImagesClient,
        leases_client::LeasesClient,
    },
    types::Descriptor as ContainerdDescriptor,
};
use tonic::{
    Code, Request, Status,
    metadata::{Ascii, MetadataValue},
    transport::Channel,
};

use super::{
    container_runtime::{RuntimeError, connect_channel},
    image_archive::{Archive, ArchiveError, Descriptor, Image},
};

/// The containerd namespace of CRI.
const NAMESPACE: &str = "k8s.io";
/// Below gRPC's usual limit of 4 MiB a message.
const CHUNK: usize = 1 << 20;

#[derive(Debug, thiserror::Error)]
pub enum ImportError {
    #[error("failed to read images from {path:?}")]
    Archive { path: PathBuf, source: ArchiveError },
    #[error(transparent)]
    Connect(#[from] RuntimeError),
    #[error("failed to list the image archives in {folder:?}")]
    List { folder: PathBuf, source: std::io::Error },
    #[error("containerd refused to {action} for {image:?}: {message}")]
    Containerd { action: &'static str, image: String, message: String },
}

/// Imports archives through one containerd.
pub struct Importer {
    channel: Channel,
    lease: MetadataValue<Ascii>,
    lease_id: String,
}

/// The archives in a folder, in the order of their names; none when there is no such folder.
pub fn archives_in(folder: &Path) -> Result<Vec<PathBuf>, ImportError> {
    let entries = match std::fs::read_dir(folder) {
        Ok(entries) => entries,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(source) => return Err(ImportError::List { folder: folder.to_owned(), source }),
    };
    let mut archives: Vec<PathBuf> = entries
        .filter_map(|entry| entry.ok().map(|entry| entry.path()))
        .filter(|path| path.extension().is_some_and(|extension| extension == "tar"))
        .collect();
    archives.sort();
    Ok(archives)
}

/// The names of the images in an archive.
pub fn names_in(path: &Path) -> Result<Vec<String>, ImportError> {
    let images = Archive::open(path).and_then(|archive| archive.images());
    let images = images.map_err(|source| ImportError::Archive { path: path.to_owned(), source })?;
    Ok(images.into_iter().map(|image| image.name).collect())
}

impl Importer {
    /// Connects, and takes a lease that keeps half-imported content from being collected.
    pub async fn connect(socket: &str) -> Result<Self, ImportError> {
        let channel = connect_channel(socket).await?;
        let lease_id = format!("kubeadm-import-{}", unique_suffix());
        let failed = |status: Status| refused("take a lease", "import", &status);
        let expires = jiff::Timestamp::now() + jiff::SignedDuration::from_mins(30);
        let create = CreateRequest {
            id: lease_id.clone(),
            labels: [("containerd.io/gc.expire".to_owned(), expires.to_string())].into(),
        };
        let lease = lease_id.parse().unwrap_or_else(|_| MetadataValue::from_static(""));
        let importer = Self { channel, lease, lease_id };
        LeasesClient::new(importer.channel.clone()).create(importer.request(create)).await.map_err(failed)?;
        Ok(importer)
    }

    /// Imports all images of an archive, also under more names: `also` gives the extra names of an image.
    pub async fn import(
        &self,
        path: &Path,
        also: impl Fn(&str) -> Vec<String>,
    ) -> Result<Vec<String>, ImportError> {
        let broken = |source| ImportError::Archive { path: path.to_owned(), source };
        let archive = Archive::open(path).map_err(broken)?;
        let mut names = Vec::new();
        for image in archive.images().map_err(broken)? {
            for descriptor in image.layers.iter().chain([&image.config]) {
                let bytes = archive.blob(descriptor).map_err(broken)?;
                self.write(&image, descriptor, bytes, BTreeMap::new()).await?;
            }
            let manifest = archive.blob(&image.manifest).map_err(broken)?;
            self.write(&image, &image.manifest, manifest, references(&image)).await?;
            for name in std::iter::once(image.name.clone()).chain(also(&image.name)) {
                self.name(&image, &name).await?;
                names.push(name);
            }
        }
        Ok(names)
    }

    /// Gives the lease back: from now on the images themselves keep their content.
    pub async fn finish(self) -> Result<(), ImportError> {
        let delete = DeleteRequest { id: self.lease_id.clone(), sync: false };
        LeasesClient::new(self.channel.clone())
            .delete(self.request(delete))
            .await
            .map_err(|status| refused("return a lease", "import", &status))?;
        Ok(())
    }

    async fn write(
        &self,
        image: &Image,
        descriptor: &Descriptor,
        bytes: &[u8],
        labels: BTreeMap<String, String>,
    ) -> Result<(), ImportError> {
        let reference = format!("kubeadm-import-{}", descriptor.digest);
        let total = i64::try_from(bytes.len()).unwrap_or(i64::MAX);
        let labels: std::collections::HashMap<String, String> = labels.into_iter().collect();
        let chunks: Vec<&[u8]> = if bytes.is_empty() { vec![&[]] } else { bytes.chunks(CHUNK).collect() };
        let last = chunks.len() - 1;
        let messages: Vec<WriteContentRequest> = chunks
            .into_iter()
            .enumerate()
            .map(|(index, chunk)| WriteContentRequest {
                action: if index == last { WriteAction::Commit } else { WriteAction::Write } as i32,
                r#ref: reference.clone(),
                total,
                expected: descriptor.digest.clone(),
                offset: i64::try_from(index * CHUNK).unwrap_or(i64::MAX),
                data: chunk.to_vec(),
                labels: if index == last { labels.clone() } else { Default::default() },
            })
            .collect();
        let request = self.request(futures_util::stream::iter(messages));
        let answer = ContentClient::new(self.channel.clone()).write(request).await;
        let outcome = match answer {
            Ok(stream) => drain(stream.into_inner()).await,
            Err(status) => Err(status),
        };
        match outcome {
            Ok(()) => Ok(()),
            Err(status) if status.code() == Code::AlreadyExists => Ok(()),
            Err(status) => Err(refused("store content", &image.name, &status)),
        }
    }

    async fn name(&self, image: &Image, name: &str) -> Result<(), ImportError> {
        let record = ContainerdImage {
            name: name.to_owned(),
            // CRI lists what is managed, and newer releases keep the kubelet from collecting what is pinned: there
            // may be no registry to fetch it from again.
            labels: [("io.cri-containerd.image", "managed"), ("io.cri-containerd.pinned", "pinned")]
                .map(|(key, value)| (key.to_owned(), value.to_owned()))
                .into(),
            target: Some(ContainerdDescriptor {
                media_type: image.manifest.media_type.clone(),
                digest: image.manifest.digest.clone(),
                size: image.manifest.size,
                annotations: Default::default(),
            }),
            created_at: None,
            updated_at: None,
        };
        let mut images = ImagesClient::new(self.channel.clone());
        let create = CreateImageRequest { image: Some(record.clone()), source_date_epoch: None };
        match images.create(self.request(create)).await {
            Ok(_) => return Ok(()),
            Err(status) if status.code() == Code::AlreadyExists => {}
            Err(status) => return Err(refused("name an image", name, &status)),
        }
        let update = UpdateImageRequest { image: Some(record), update_mask: None, source_date_epoch: None };
        images
            .update(self.request(update))
            .await
            .map_err(|status| refused("rename an image", name, &status))?;
        Ok(())
    }

    fn request<T>(&self, message: T) -> Request<T> {
        let mut request = Request::new(message);
        let metadata = request.metadata_mut();
        metadata.insert("containerd-namespace", MetadataValue::from_static(NAMESPACE));
        metadata.insert("containerd-lease", self.lease.clone());
        request
    }
}

/// Labels by which containerd's collector sees what a manifest needs.
fn references(image: &Image) -> BTreeMap<String, String> {
    let layers = image
        .layers
        .iter()
        .enumerate()
        .map(|(index, layer)| (format!("containerd.io/gc.ref.content.l.{index}"), layer.digest.clone()));
    let config = ("containerd.io/gc.ref.content.config".to_owned(), image.config.digest.clone());
    layers.chain([config]).collect()
}

async fn drain<T>(mut stream: tonic::Streaming<T>) -> Result<(), Status> {
    while stream.message().await?.is_some() {}
    Ok(())
}

fn refused(action: &'static str, image: &str, status: &Status) -> ImportError {
    ImportError::Containerd {
        action,
        image: image.to_owned(),
        message: format!("{}: {}", status.code(), status.message()),
    }
}

/// A name no other import at the same time has.
fn unique_suffix() -> String {
    let moment = jiff::Timestamp::now().as_nanosecond();
    format!("{}-{moment:x}", std::process::id())
}
