//! Connects a remote process with the streams of this one.

use std::io::Write as _;

use client::upgrade::remote_command::Exit;
use client::upgrade::{RemoteProcess, TerminalSize};
use nix::libc;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, DuplexStream};

use crate::error::message;
use crate::{Error, Result, Streams};

/// Bytes read at once.
const BUFFER: usize = 32 * 1024;

/// The terminal in raw mode until dropped.
struct RawMode(libc::termios);

impl RawMode {
    fn enter() -> Result<RawMode> {
        let failed =
            || message(format!("the terminal cannot be set up: {}", std::io::Error::last_os_error()));
        // SAFETY: termios is plain data, for which all zeros is a value.
        let mut before: libc::termios = unsafe { std::mem::zeroed() };
        // SAFETY: the pointer is to a live termios, which the call fills.
        if unsafe { libc::tcgetattr(libc::STDIN_FILENO, &raw mut before) } != 0 {
            return Err(failed());
        }
        let mut raw = before;
        // SAFETY: the pointer is to a live termios, which the call changes in place.
        unsafe { libc::cfmakeraw(&raw mut raw) };
        // SAFETY: the pointer is to a live termios, which the call only reads.
        if unsafe { libc::tcsetattr(libc::STDIN_FILENO, libc::TCSANOW, &raw const raw) } != 0 {
            return Err(failed());
        }
        Ok(RawMode(before))
    }
}

impl Drop for RawMode {
    fn drop(&mut self) {
        // SAFETY: the pointer is to a live termios, which the call only reads. A terminal that is gone
        // needs no restoring, so the answer does not matter.
        unsafe { libc::tcsetattr(libc::STDIN_FILENO, libc::TCSANOW, &raw const self.0) };
    }
}

/// Copies input and outputs until the process ends; its exit code.
pub async fn converse(mut process: RemoteProcess, tty: bool, streams: &mut Streams) -> Result<i32> {
    let raw = if tty { Some(RawMode::enter()?) } else { None };
    if tty {
        let resize = process.resize.clone();
        tokio::spawn(async move {
            let Ok(mut changes) =
                tokio::signal::unix::signal(tokio::signal::unix::SignalKind::window_change())
            else {
                return;
            };
            loop {
                if let Some(size) = size()
                    && resize.send(size).await.is_err()
                {
                    return;
                }
                if changes.recv().await.is_none() {
                    return;
                }
            }
        });
    }
    if let Some(mut remote) = process.stdin.take() {
        tokio::spawn(async move {
            // A process that stopped reading ends the copy; its exit code tells the rest.
            let _ = tokio::io::copy(&mut tokio::io::stdin(), &mut remote).await;
            let _ = remote.shutdown().await;
        });
    }
    let (mut out, mut err) = (process.stdout.take(), process.stderr.take());
    let status = process.into_status();
    let (mut out_buffer, mut err_buffer) = (vec![0; BUFFER], vec![0; BUFFER]);
    while out.is_some() || err.is_some() {
        tokio::select! {
            count = read(&mut out, &mut out_buffer) => {
                streams.out.write_all(out_buffer.get(..count).unwrap_or_default())?;
                streams.out.flush()?;
                if count == 0 { out = None; }
            }
            count = read(&mut err, &mut err_buffer) => {
                streams.err.write_all(err_buffer.get(..count).unwrap_or_default())?;
                if count == 0 { err = None; }
            }
        }
    }
    let exit = status.await;
    drop(raw);
    match exit? {
        Exit::Success => Ok(0),
        Exit::Code(code) => {
            writeln!(streams.err, "command terminated with exit code {code}")?;
            Err(Error::Exit(code))
        }
        Exit::Failure(status) => Err(message(status.status.message)),
    }
}

/// Reads from a stream that is there; a closed or missing one gives 0 or waits.
async fn read(stream: &mut Option<DuplexStream>, buffer: &mut [u8]) -> usize {
    match stream {
        Some(stream) => stream.read(buffer).await.unwrap_or_default(),
        None => std::future::pending().await,
    }
}

mod ioctl {
    //! The system call for the size of a terminal.
    use nix::libc;

    nix::ioctl_read_bad!(window_size, libc::TIOCGWINSZ, libc::winsize);
}

/// The size of the terminal.
fn size() -> Option<TerminalSize> {
    let mut size = libc::winsize { ws_row: 0, ws_col: 0, ws_xpixel: 0, ws_ypixel: 0 };
    // SAFETY: the pointer is to a live winsize, which is what TIOCGWINSZ writes.
    let asked = unsafe { ioctl::window_size(libc::STDOUT_FILENO, &raw mut size) };
    asked.ok().map(|_| TerminalSize { width: size.ws_col, height: size.ws_row })
}
