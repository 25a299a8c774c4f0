//! Reading and following log files.

use std::fs::{self, OpenOptions};
use std::io::Write;
use std::path::PathBuf;
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use tokio::sync::{mpsc, watch};

use super::*;

struct Writing(watch::Receiver<bool>);

#[async_trait]
impl StillWriting for Writing {
    async fn still_writing(&self) -> bool {
        *self.0.borrow()
    }
}

const LOG: &str = "\
2024-05-01T10:00:01.1Z stdout F one
2024-05-01T10:00:02Z stderr F two
2024-05-01T10:00:03Z stdout P thr
2024-05-01T10:00:03.5Z stdout F ee
2024-05-01T10:00:04Z stdout F four
";

async fn all_of(content: &str, options: &LogOptions) -> Result<String, LogError> {
    let directory = tempfile::tempdir().expect("directory");
    let path = directory.path().join("0.log");
    fs::write(&path, content).expect("write");
    let (sender, mut receiver) = mpsc::channel(100);
    read(&path, options, &Writing(watch::channel(false).1), &sender).await?;
    drop(sender);
    let mut text = Vec::new();
    while let Some(batch) = receiver.recv().await {
        text.extend_from_slice(&batch);
    }
    Ok(String::from_utf8(text).expect("text"))
}

async fn check(options: LogOptions, expected: &str) {
    assert_eq!(all_of(LOG, &options).await.expect("read"), expected, "{options:?}");
    // Following a container that ended reads the same.
    let follow = LogOptions { follow: true, ..options };
    if follow.tail_lines.is_none() {
        assert_eq!(all_of(LOG, &follow).await.expect("read"), expected, "{follow:?}");
    }
}

#[tokio::test]
async fn options() {
    let default = LogOptions::default;
    check(default(), "one\ntwo\nthree\nfour\n").await;
    check(LogOptions { tail_lines: Some(2), ..default() }, "ee\nfour\n").await;
    check(LogOptions { tail_lines: Some(0), ..default() }, "").await;
    let since = "2024-05-01T10:00:03.5Z".parse().ok();
    check(LogOptions { since, ..default() }, "ee\nfour\n").await;
    check(LogOptions { limit_bytes: Some(6), ..default() }, "one\ntw").await;
    check(LogOptions { streams: LogStreams::Stderr, ..default() }, "two\n").await;
    check(LogOptions { streams: LogStreams::Stdout, ..default() }, "one\nthree\nfour\n").await;
    check(
        LogOptions { timestamps: true, ..default() },
        "2024-05-01T10:00:01.100000000Z one\n2024-05-01T10:00:02.000000000Z two\n\
         2024-05-01T10:00:03.000000000Z three\n2024-05-01T10:00:04.000000000Z four\n",
    )
    .await;
}

#[tokio::test]
async fn malformed_files() {
    let refused = all_of("no log at all\n", &LogOptions::default()).await.expect_err("malformed");
    assert!(refused.to_string().ends_with("unexpected timestamp format"), "{refused}");
    let skipped = all_of(&format!("{LOG}junk\n"), &LogOptions::default()).await.expect("read");
    assert_eq!(skipped, "one\ntwo\nthree\nfour\n");
    let missing = PathBuf::from("/nonexistent/0.log");
    let (sender, _receiver) = mpsc::channel(1);
    let error = read(&missing, &LogOptions::default(), &Writing(watch::channel(false).1), &sender)
        .await
        .expect_err("missing");
    assert!(
        error.to_string().starts_with("failed to try resolving symlinks in path \"/nonexistent/0.log\": "),
        "{error}"
    );
}

/// A log that is being followed.
struct Followed {
    directory: tempfile::TempDir,
    receiver: mpsc::Receiver<Bytes>,
    running: watch::Sender<bool>,
    reader: tokio::task::JoinHandle<Result<(), LogError>>,
}

impl Followed {
    fn start(content: &str) -> Followed {
        let directory = tempfile::tempdir().expect("directory");
        let path = directory.path().join("0.log");
        fs::write(&path, content).expect("write");
        let (sender, receiver) = mpsc::channel(100);
        let (running, state) = watch::channel(true);
        let reader = tokio::spawn(async move {
            let options = LogOptions { follow: true, ..Default::default() };
            read(&path, &options, &Writing(state), &sender).await
        });
        Followed { directory, receiver, running, reader }
    }

    fn append(&self, text: &str) {
        let path = self.directory.path().join("0.log");
        let mut file = OpenOptions::new().append(true).create(true).open(path).expect("open");
        file.write_all(text.as_bytes()).expect("write");
    }

    async fn expect(&mut self, expected: &str) {
        let mut got = String::new();
        while got.len() < expected.len() {
            let batch = tokio::time::timeout(Duration::from_secs(20), self.receiver.recv()).await;
            let batch = batch.unwrap_or_else(|_| panic!("waiting for {expected:?} after {got:?}"));
            got.push_str(std::str::from_utf8(&batch.expect("more to come")).expect("text"));
        }
        assert_eq!(got, expected);
    }
}

#[tokio::test]
async fn following_through_growth_rotation_and_end() {
    let mut log = Followed::start("2024-05-01T10:00:01Z stdout F one\n");
    log.expect("one\n").await;
    log.append("2024-05-01T10:00:02Z stdout F tw");
    log.append("o\n");
    log.expect("two\n").await;
    let path = log.directory.path().join("0.log");
    fs::rename(&path, log.directory.path().join("0.log.1")).expect("rename");
    log.append("2024-05-01T10:00:03Z stdout F three\n");
    log.expect("three\n").await;
    log.append("2024-05-01T10:00:04Z stdout F four\n");
    log.running.send_replace(false);
    log.expect("four\n").await;
    assert!(log.receiver.recv().await.is_none());
    log.reader.await.expect("joined").expect("read");
}

#[tokio::test]
async fn a_reader_who_leaves_ends_the_following() {
    let mut log = Followed::start("2024-05-01T10:00:01Z stdout F one\n");
    log.expect("one\n").await;
    drop(log.receiver);
    let done = tokio::time::timeout(Duration::from_secs(20), log.reader).await;
    done.expect("ends").expect("joined").expect("read");
}
