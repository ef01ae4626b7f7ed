//! Where lines of the log go.

use std::{
    fs::{File, OpenOptions},
    io::{self, Write},
    path::PathBuf,
    sync::{Arc, PoisonError, RwLock},
};

use anyhow::Context;
use tracing_subscriber::fmt::MakeWriter;

use crate::config::LogOutput;

/// The log's output, which can be reopened after somebody has rotated the file.
#[derive(Debug, Clone)]
pub struct LogHandle(Output);

#[derive(Debug, Clone)]
enum Output {
    Stderr,
    Stdout,
    File { path: PathBuf, file: Arc<RwLock<File>> },
}

impl LogHandle {
    /// Opens the output.
    ///
    /// # Errors
    ///
    /// The file cannot be opened for appending; the message names it.
    pub(super) fn open(output: &LogOutput) -> anyhow::Result<Self> {
        Ok(Self(match output {
            LogOutput::Stderr => Output::Stderr,
            LogOutput::Stdout => Output::Stdout,
            LogOutput::File(path) => {
                let file =
                    append(path).with_context(|| format!("cannot open the log file {}", path.display()))?;
                Output::File { path: path.clone(), file: Arc::new(RwLock::new(file)) }
            }
        }))
    }

    /// Opens the log file anew under its name. If that fails, the old one is written on.
    pub(crate) fn reopen(&self) {
        let Output::File { path, file } = &self.0 else { return };
        match append(path) {
            Ok(new) => *file.write().unwrap_or_else(PoisonError::into_inner) = new,
            Err(error) => tracing::error!("cannot reopen the log file {}: {error}", path.display()),
        }
    }
}

fn append(path: &PathBuf) -> io::Result<File> {
    OpenOptions::new().create(true).append(true).open(path)
}

impl<'a> MakeWriter<'a> for LogHandle {
    type Writer = Self;

    fn make_writer(&'a self) -> Self {
        self.clone()
    }
}

/// Each line comes as one write, and goes out as one.
impl Write for LogHandle {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        match &self.0 {
            Output::Stderr => io::stderr().write(line),
            Output::Stdout => io::stdout().write(line),
            Output::File { file, .. } => (&*file.read().unwrap_or_else(PoisonError::into_inner)).write(line),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        match &self.0 {
            Output::Stdout => io::stdout().flush(),
            Output::Stderr | Output::File { .. } => Ok(()),
        }
    }
}
