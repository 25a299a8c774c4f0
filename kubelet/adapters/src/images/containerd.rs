//! Import of an archive into containerd: content, labels that keep it, then the image's name.

use std::collections::{BTreeMap, HashMap};
use std::io;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use containerd_client::services::v1::content_client::ContentClient;
use containerd_client::services::v1::images_client::ImagesClient;
use containerd_client::services::v1::leases_client::LeasesClient;
use containerd_client::services::v1::{
    CreateImageRequest, CreateRequest, DeleteRequest, Image, Info, ReadContentRequest, UpdateImageRequest,
    UpdateRequest, WriteAction, WriteContentRequest,
};
use containerd_client::types;
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;
use tonic::metadata::AsciiMetadataValue;
use tonic::transport::Channel;
use tonic::{Code, Request, Status};

use super::archive::{Piece, read_pieces};
use super::layout::{Descriptor, Index, Manifest};

/// The namespace containerd's CRI plugin reads.
const NAMESPACE: &str = "k8s.io";

/// The label by which the CRI plugin marks images as its own.
const MANAGED_LABEL: (&str, &str) = ("io.cri-containerd.image", "managed");

/// A lease left by a killed import does not hold content longer than this.
const LEASE_LIFETIME: Duration = Duration::from_secs(3600);

/// Pieces read ahead of the store: bounds memory to a few chunks.
const READ_AHEAD: usize = 4;

/// Manifests are small; a larger one is refused.
const MAX_MANIFEST_BYTES: i64 = 8 << 20;

/// An image that is now on the node.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ImportedImage {
    /// Full name with tag.
    pub name: String,
    /// Digest of its manifest or index.
    pub digest: String,
}

/// Why an archive was not imported.
#[derive(Debug, thiserror::Error)]
pub enum ImportError {
    /// containerd's socket does not answer.
    #[error("connect to containerd at {socket}", socket = .socket.display())]
    Connect {
        /// The socket.
        socket: PathBuf,
        /// Why.
        #[source]
        source: tonic::transport::Error,
    },
    /// The file cannot be read or is no tar file.
    #[error("read image archive {path}", path = .path.display())]
    Read {
        /// The archive.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// The file is no OCI image layout.
    #[error("image archive {path}: {problem}", path = .path.display())]
    Layout {
        /// The archive.
        path: PathBuf,
        /// What is missing or wrong.
        problem: String,
    },
    /// containerd refused a step.
    #[error("{step} {subject}")]
    Store {
        /// Such as `write blob`.
        step: &'static str,
        /// The blob's digest or the image's name.
        subject: String,
        /// containerd's answer.
        #[source]
        source: Box<Status>,
    },
}

/// Imports every named image of the OCI layout at `path` (tar, or tar in gzip) into the containerd at `socket`.
///
/// # Guarantees
/// Repeating an import changes nothing. A failed one leaves nothing that containerd does not collect by itself.
///
/// # Errors
/// See [`ImportError`]; an archive that names no image is [`ImportError::Layout`].
pub async fn import_archive(socket: &Path, path: &Path) -> Result<Vec<ImportedImage>, ImportError> {
    let channel = containerd_client::connect(socket)
        .await
        .map_err(|source| ImportError::Connect { socket: socket.to_owned(), source })?;
    let lease = take_lease(&channel).await?;
    let store = Store { channel, lease };
    let result = import(&store, path).await;
    if let Err(error) = store.release().await {
        // The lease expires by itself.
        tracing::debug!(error = %error, "lease of an image import was not released");
    }
    result
}

async fn import(store: &Store, path: &Path) -> Result<Vec<ImportedImage>, ImportError> {
    let refuse = |problem: &str| ImportError::Layout { path: path.to_owned(), problem: problem.to_owned() };
    let index =
        write_blobs(store, path).await?.ok_or_else(|| refuse("no index.json: not an OCI image layout"))?;
    let named: Vec<(String, &Descriptor)> = index
        .manifests
        .iter()
        .filter_map(|descriptor| Some((descriptor.image_name()?, descriptor)))
        .collect();
    if named.is_empty() {
        return Err(refuse("index.json names no image"));
    }
    let mut imported = Vec::new();
    for (name, descriptor) in named {
        store.label_tree(descriptor, path).await?;
        store.name_image(&name, descriptor).await?;
        imported.push(ImportedImage { name, digest: descriptor.digest.clone() });
    }
    Ok(imported)
}

/// Streams every blob into the content store and answers the layout's index.
async fn write_blobs(store: &Store, path: &Path) -> Result<Option<Index>, ImportError> {
    let (sender, mut pieces) = mpsc::channel(READ_AHEAD);
    let file = path.to_owned();
    let reader =
        tokio::task::spawn_blocking(move || read_pieces(&file, |piece| sender.blocking_send(piece).is_ok()));
    let mut index = None;
    let mut upload: Option<Upload> = None;
    while let Some(piece) = pieces.recv().await {
        match piece {
            Piece::Index(found) => index = Some(found),
            Piece::Blob { digest, size } => {
                if let Some(done) = upload.take() {
                    done.commit().await?;
                }
                upload = Some(store.upload(digest, size).await?);
            }
            Piece::Data(data) => {
                if let Some(current) = upload.as_mut() {
                    current.send(data.to_vec()).await;
                }
            }
        }
    }
    let read = reader.await.unwrap_or_else(|panic| Err(io::Error::other(panic)));
    read.map_err(|source| ImportError::Read { path: path.to_owned(), source })?;
    if let Some(done) = upload.take() {
        done.commit().await?;
    }
    Ok(index)
}

/// containerd's stores, reached under one lease so that nothing is collected half way.
struct Store {
    channel: Channel,
    lease: String,
}

impl Store {
    fn content(&self) -> ContentClient<Channel> {
        ContentClient::new(self.channel.clone())
    }

    fn request<T>(&self, message: T) -> Request<T> {
        in_namespace(message, Some(&self.lease))
    }

    /// Opens a writer. A blob that is there already is taken into the lease, and its data is thrown away.
    async fn upload(&self, digest: String, size: u64) -> Result<Upload, ImportError> {
        let (sender, receiver) = mpsc::channel(READ_AHEAD);
        let total = i64::try_from(size).unwrap_or(i64::MAX);
        let request = self.request(ReceiverStream::new(receiver));
        let mut client = self.content();
        let answers = tokio::spawn(async move {
            let mut answers = client.write(request).await?.into_inner();
            while let Some(answer) = answers.message().await? {
                if answer.action == i32::from(WriteAction::Commit) {
                    return Ok(());
                }
            }
            Err(Status::unknown("containerd closed the writer without committing"))
        });
        let reference = format!("import-{}-{digest}", self.lease);
        Ok(Upload { sender: Some(sender), answers, outcome: None, digest, reference, total, offset: 0 })
    }

    /// Labels an image's documents with what they refer to, as far as the archive brought it.
    async fn label_tree(&self, root: &Descriptor, path: &Path) -> Result<(), ImportError> {
        let mut waiting = vec![root.clone()];
        let mut is_root = true;
        while let Some(descriptor) = waiting.pop() {
            let Some(document) = self.read(&descriptor).await? else {
                // An index may name platforms the archive leaves out; the image itself must be there.
                if is_root {
                    let problem = format!("blob {} is missing", descriptor.digest);
                    return Err(ImportError::Layout { path: path.to_owned(), problem });
                }
                continue;
            };
            is_root = false;
            let unreadable = |error: serde_json::Error| ImportError::Layout {
                path: path.to_owned(),
                problem: format!("blob {}: {error}", descriptor.digest),
            };
            let references = if descriptor.is_index() {
                let index: Index = serde_json::from_slice(&document).map_err(unreadable)?;
                let references = index.references();
                waiting.extend(index.manifests);
                references
            } else {
                let manifest: Manifest = serde_json::from_slice(&document).map_err(unreadable)?;
                manifest.references()
            };
            self.label(&descriptor.digest, references).await?;
        }
        Ok(())
    }

    /// A document's bytes; `None` when the store has none of that digest.
    async fn read(&self, descriptor: &Descriptor) -> Result<Option<Vec<u8>>, ImportError> {
        if descriptor.size > MAX_MANIFEST_BYTES {
            let source = Box::new(Status::out_of_range(format!("{} bytes are too many", descriptor.size)));
            return Err(ImportError::Store { step: "read blob", subject: descriptor.digest.clone(), source });
        }
        let request =
            self.request(ReadContentRequest { digest: descriptor.digest.clone(), offset: 0, size: 0 });
        let failed = failed("read blob", &descriptor.digest);
        let mut stream = match self.content().read(request).await {
            Ok(answer) => answer.into_inner(),
            Err(status) if status.code() == Code::NotFound => return Ok(None),
            Err(status) => return Err(failed(status)),
        };
        let mut document = Vec::new();
        loop {
            match stream.message().await {
                Ok(Some(part)) => document.extend_from_slice(&part.data),
                Ok(None) => return Ok(Some(document)),
                Err(status) if status.code() == Code::NotFound => return Ok(None),
                Err(status) => return Err(failed(status)),
            }
        }
    }

    async fn label(&self, digest: &str, labels: BTreeMap<String, String>) -> Result<(), ImportError> {
        let paths = labels.keys().map(|key| format!("labels.{key}")).collect();
        let info =
            Info { digest: digest.to_owned(), labels: labels.into_iter().collect(), ..Default::default() };
        let request = self
            .request(UpdateRequest { info: Some(info), update_mask: Some(prost_types::FieldMask { paths }) });
        self.content().update(request).await.map_err(failed("label blob", digest))?;
        Ok(())
    }

    /// Gives the image its name, or moves the name to it.
    async fn name_image(&self, name: &str, target: &Descriptor) -> Result<(), ImportError> {
        let image = Image {
            name: name.to_owned(),
            labels: HashMap::from([(MANAGED_LABEL.0.to_owned(), MANAGED_LABEL.1.to_owned())]),
            target: Some(types::Descriptor {
                media_type: target.media_type.clone(),
                digest: target.digest.clone(),
                size: target.size,
                annotations: HashMap::new(),
            }),
            ..Default::default()
        };
        let mut client = ImagesClient::new(self.channel.clone());
        let create = CreateImageRequest { image: Some(image.clone()), source_date_epoch: None };
        match client.create(self.request(create)).await {
            Ok(_) => return Ok(()),
            Err(status) if status.code() == Code::AlreadyExists => {}
            Err(status) => return Err(failed("create image", name)(status)),
        }
        let update = UpdateImageRequest { image: Some(image), update_mask: None, source_date_epoch: None };
        client.update(self.request(update)).await.map_err(failed("update image", name))?;
        Ok(())
    }

    async fn release(&self) -> Result<(), Status> {
        let request = in_namespace(DeleteRequest { id: self.lease.clone(), sync: false }, None);
        LeasesClient::new(self.channel.clone()).delete(request).await.map(drop)
    }
}

/// A blob on its way into the content store.
struct Upload {
    /// Gone when containerd stopped listening, as it does for a blob it has.
    sender: Option<mpsc::Sender<WriteContentRequest>>,
    answers: tokio::task::JoinHandle<Result<(), Status>>,
    /// What the task answered, once it ended.
    outcome: Option<Result<(), Status>>,
    digest: String,
    reference: String,
    total: i64,
    offset: i64,
}

impl Upload {
    async fn send(&mut self, data: Vec<u8>) {
        let length = i64::try_from(data.len()).unwrap_or(i64::MAX);
        let message = self.message(WriteAction::Write, data);
        self.offset += length;
        self.deliver(message).await;
    }

    async fn commit(mut self) -> Result<(), ImportError> {
        let message = self.message(WriteAction::Commit, Vec::new());
        self.deliver(message).await;
        drop(self.sender.take());
        let answer = match self.outcome.take() {
            Some(outcome) => outcome,
            None => joined((&mut self.answers).await),
        };
        match answer {
            Err(status) if status.code() != Code::AlreadyExists => {
                Err(failed("write blob", &self.digest)(status))
            }
            _ => Ok(()),
        }
    }

    fn message(&self, action: WriteAction, data: Vec<u8>) -> WriteContentRequest {
        WriteContentRequest {
            action: action.into(),
            r#ref: self.reference.clone(),
            total: self.total,
            expected: self.digest.clone(),
            offset: self.offset,
            data,
            labels: HashMap::new(),
        }
    }

    async fn deliver(&mut self, message: WriteContentRequest) {
        let Some(sender) = &self.sender else { return };
        let listening = tokio::select! {
            // Dropping a send loses a message nobody waits for any more.
            sent = sender.send(message) => sent.is_ok(),
            // Ends early when the store has the blob or refuses it; polled again only if not finished.
            outcome = &mut self.answers => {
                self.outcome = Some(joined(outcome));
                false
            }
        };
        if !listening {
            self.sender = None;
        }
    }
}

fn joined(outcome: Result<Result<(), Status>, tokio::task::JoinError>) -> Result<(), Status> {
    outcome.unwrap_or_else(|panic| Err(Status::internal(panic.to_string())))
}

async fn take_lease(channel: &Channel) -> Result<String, ImportError> {
    let now = SystemTime::now();
    let since = now.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    let id = format!("image-import-{}-{}", std::process::id(), since.as_nanos());
    let expire = jiff::Timestamp::try_from(now + LEASE_LIFETIME).unwrap_or(jiff::Timestamp::MAX);
    let labels = HashMap::from([("containerd.io/gc.expire".to_owned(), format!("{expire:.0}"))]);
    let request = in_namespace(CreateRequest { id: id.clone(), labels }, None);
    LeasesClient::new(channel.clone()).create(request).await.map_err(failed("create lease", &id))?;
    Ok(id)
}

fn in_namespace<T>(message: T, lease: Option<&str>) -> Request<T> {
    let mut request = Request::new(message);
    let metadata = request.metadata_mut();
    metadata.insert("containerd-namespace", AsciiMetadataValue::from_static(NAMESPACE));
    if let Some(lease) = lease.and_then(|lease| AsciiMetadataValue::try_from(lease).ok()) {
        metadata.insert("containerd-lease", lease);
    }
    request
}

fn failed(step: &'static str, subject: &str) -> impl Fn(Status) -> ImportError {
    let subject = subject.to_owned();
    move |status| ImportError::Store { step, subject: subject.clone(), source: Box::new(status) }
}
