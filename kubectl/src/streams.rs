//! Where commands read and write; buffers in tests.

use std::io::{IsTerminal as _, Read, Write};
use std::sync::{Arc, Mutex};

use crate::warnings::Warnings;

/// Standard input and outputs of a command.
pub struct Streams {
    /// Results.
    pub out: Box<dyn Write + Send>,
    /// Messages and warnings.
    pub err: Box<dyn Write + Send>,
    /// Input of `-f -` and prompts.
    pub input: Box<dyn Read + Send>,
    /// Shows the warnings of the server.
    pub warnings: Warnings,
    /// Whether input and output are a terminal.
    pub terminal: bool,
}

impl Streams {
    /// Those of the process. Output is flushed by [`Streams::flush`].
    pub fn standard() -> Streams {
        Streams {
            out: Box::new(std::io::BufWriter::new(std::io::stdout())),
            err: Box::new(std::io::stderr()),
            input: Box::new(std::io::stdin()),
            warnings: Warnings::standard(),
            terminal: std::io::stdin().is_terminal() && std::io::stdout().is_terminal(),
        }
    }

    /// Streams over memory: the given input, and what is written to out and err.
    pub fn buffers(input: &str) -> (Streams, Captured, Captured) {
        let (out, err) = (Captured::default(), Captured::default());
        let streams = Streams {
            out: Box::new(out.clone()),
            err: Box::new(err.clone()),
            input: Box::new(std::io::Cursor::new(input.as_bytes().to_vec())),
            warnings: Warnings::to(Box::new(err.clone()), false),
            terminal: false,
        };
        (streams, out, err)
    }

    /// Writes out what is buffered.
    pub fn flush(&mut self) -> std::io::Result<()> {
        self.out.flush()?;
        self.err.flush()
    }
}

/// Bytes written to a captured stream.
#[derive(Clone, Default)]
pub struct Captured(Arc<Mutex<Vec<u8>>>);

impl Captured {
    /// Everything written up to now.
    pub fn text(&self) -> String {
        let bytes = self.0.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        String::from_utf8_lossy(&bytes).into_owned()
    }
}

impl Write for Captured {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap_or_else(std::sync::PoisonError::into_inner).extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}
