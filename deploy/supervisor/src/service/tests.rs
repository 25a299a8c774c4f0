//! Real processes: started, started again, and stopped with their children.

use super::*;

struct Fixture {
    folder: tempfile::TempDir,
    requests: mpsc::Sender<Message>,
    task: tokio::task::JoinHandle<()>,
}

fn start(unit: &str, wanted: bool) -> Fixture {
    let folder = tempfile::tempdir().expect("a folder");
    std::fs::write(folder.path().join("x.service"), unit).expect("written");
    let place =
        Place { name: "x".to_owned(), units: folder.path().to_owned(), logs: folder.path().to_owned() };
    let (requests, receiver) = mpsc::channel(4);
    let task = tokio::spawn(run(place, wanted, receiver));
    Fixture { folder, requests, task }
}

impl Fixture {
    async fn ask(&self, request: Request) -> Result<Option<u32>, String> {
        let (sender, answer) = oneshot::channel();
        self.requests.send((request, sender)).await.expect("the task runs");
        answer.await.expect("an answer")
    }

    async fn running(&self) -> u32 {
        let deadline = Instant::now() + Duration::from_secs(10);
        loop {
            if let Ok(Some(id)) = self.ask(Request::Status).await {
                return id;
            }
            assert!(Instant::now() < deadline, "it does not run: {}", self.log());
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }

    fn log(&self) -> String {
        std::fs::read_to_string(self.folder.path().join("x.log")).unwrap_or_default()
    }
}

fn alive(id: u32) -> bool {
    nix::sys::signal::kill(Pid::from_raw(i32::try_from(id).expect("small")), None).is_ok()
}

#[tokio::test]
async fn a_killed_service_is_started_again() {
    let fixture = start("[Service]\nExecStart=/bin/sleep 1000\nRestartSec=10ms\n", true);
    let first = fixture.running().await;
    nix::sys::signal::kill(Pid::from_raw(i32::try_from(first).expect("small")), Signal::SIGKILL)
        .expect("killed");
    let deadline = Instant::now() + Duration::from_secs(10);
    while fixture.running().await == first {
        assert!(Instant::now() < deadline, "it was not started again");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    assert!(fixture.log().contains("signal: 9"), "{}", fixture.log());
    drop(fixture.requests);
    fixture.task.await.expect("it ends");
}

#[tokio::test]
async fn a_stopped_service_stays_down_until_it_is_asked_to_start() {
    let fixture = start("[Service]\nExecStart=/bin/sh -c 'sleep 1000 & wait'\nRestartSec=10ms\n", true);
    let first = fixture.running().await;
    assert_eq!(fixture.ask(Request::Stop).await, Ok(None));
    assert!(!alive(first));
    tokio::time::sleep(Duration::from_millis(100)).await;
    assert_eq!(fixture.ask(Request::Status).await, Ok(None));
    let second = fixture.ask(Request::Start).await.expect("it starts").expect("it runs");
    let third = fixture.ask(Request::Restart).await.expect("it starts").expect("it runs");
    assert_ne!(second, third);
    let Fixture { requests, task, .. } = fixture;
    drop(requests);
    task.await.expect("it ends");
    assert!(!alive(third), "the end of the supervisor ends the service");
}

#[tokio::test]
async fn a_unit_that_cannot_be_started_is_told() {
    let fixture = start("[Service]\nExecStart=/no/such/program\n", false);
    let complaint = fixture.ask(Request::Start).await.expect_err("there is no such program");
    assert!(complaint.contains("/no/such/program"), "{complaint}");
    let failing = start("[Service]\nExecStartPre=/bin/false\nExecStart=/bin/sleep 1\n", false);
    assert!(failing.ask(Request::Start).await.is_err());
}
