//! Log output in klog's text form or upstream's JSON form, on stderr.
//!
//! Verbosity: `-v 0..3` shows info and above, `4` and `5` also debug, `6` and more also trace.
//! Libraries (HTTP, TLS) stay at warnings until `-v 8`.

use std::collections::BTreeMap;
use std::fmt::{self, Write as _};

use tracing::field::{Field, Visit};
use tracing::{Event, Level, Metadata, Subscriber};
use tracing_subscriber::fmt::FmtContext;
use tracing_subscriber::fmt::format::{FormatEvent, FormatFields, Writer};
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::registry::LookupSpan;
use tracing_subscriber::{Layer as _, filter};

/// Logging flags, to be flattened into a component's options.
#[derive(Clone, Debug, clap::Args)]
#[command(next_help_heading = "Logs flags")]
pub struct LoggingOptions {
    /// Number for the log level verbosity
    #[arg(short = 'v', long = "v", default_value_t = 0, value_name = "LEVEL")]
    pub verbosity: u32,
    /// Comma-separated list of pattern=N settings for file-filtered logging (text format only)
    #[arg(long, default_value = "", value_name = "PATTERN=N,...")]
    pub vmodule: String,
    /// Sets the log format: "text" or "json"
    #[arg(long, default_value = "text", value_name = "FORMAT")]
    pub logging_format: String,
}

impl Default for LoggingOptions {
    fn default() -> Self {
        LoggingOptions { verbosity: 0, vmodule: String::new(), logging_format: "text".to_owned() }
    }
}

/// Why logging could not be set up.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum LogsError {
    /// Neither `text` nor `json`.
    #[error("invalid value {0:?} for --logging-format: must be \"text\" or \"json\"")]
    Format(String),
    /// `--vmodule` cannot be read.
    #[error("invalid value {0:?} for --vmodule: expected comma-separated pattern=N settings")]
    Vmodule(String),
    /// `--vmodule` with JSON, which upstream refuses too.
    #[error("--vmodule may only be used with --logging-format=text")]
    VmoduleNeedsText,
}

/// Installs the process-wide subscriber. A second call (several components in one test) is ignored.
pub fn init(options: &LoggingOptions) -> Result<(), LogsError> {
    let rules = Verbosity::new(options)?;
    let filter = filter::filter_fn(move |metadata| rules.enabled(metadata));
    let json = match options.logging_format.as_str() {
        "text" | "" => false,
        "json" if options.vmodule.is_empty() => true,
        "json" => return Err(LogsError::VmoduleNeedsText),
        other => return Err(LogsError::Format(other.to_owned())),
    };
    let layer = tracing_subscriber::fmt::layer()
        .with_writer(std::io::stderr)
        .event_format(KlogFormat { json, process: std::process::id() })
        .with_filter(filter);
    let subscriber = tracing_subscriber::registry().with(layer);
    if tracing::subscriber::set_global_default(subscriber).is_err() {
        tracing::debug!("logging is already set up in this process");
    }
    Ok(())
}

/// Decides by level, crate and file whether an event is shown.
struct Verbosity {
    level: u32,
    by_file: Vec<(String, u32)>,
}

/// Crates whose own logs are of interest only when their protocol is being debugged.
const LIBRARIES: &[&str] =
    &["hyper", "h2", "rustls", "tower", "tonic", "tokio", "hickory", "tungstenite", "netlink", "want", "mio"];

impl Verbosity {
    fn new(options: &LoggingOptions) -> Result<Verbosity, LogsError> {
        let mut by_file = Vec::new();
        for element in options.vmodule.split(',').filter(|element| !element.is_empty()) {
            let parsed = element
                .split_once('=')
                .and_then(|(pattern, level)| Some((pattern.to_owned(), level.parse::<u32>().ok()?)))
                .filter(|(pattern, _)| !pattern.is_empty());
            by_file.push(parsed.ok_or_else(|| LogsError::Vmodule(element.to_owned()))?);
        }
        Ok(Verbosity { level: options.verbosity, by_file })
    }

    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        let needed = match *metadata.level() {
            Level::ERROR | Level::WARN => return true,
            Level::INFO => 0,
            Level::DEBUG => 4,
            Level::TRACE => 6,
        };
        if self.level < 8 && LIBRARIES.iter().any(|library| metadata.target().starts_with(library)) {
            return false;
        }
        let level = metadata
            .file()
            .filter(|_| !self.by_file.is_empty())
            .and_then(|file| {
                let stem = file.rsplit('/').next().unwrap_or(file).trim_end_matches(".rs");
                self.by_file.iter().find(|(pattern, _)| glob_matches(pattern, stem)).map(|(_, level)| *level)
            })
            .unwrap_or(self.level);
        level >= needed
    }
}

/// `*` and `?` as klog's vmodule patterns have them.
fn glob_matches(pattern: &str, text: &str) -> bool {
    let (mut pattern_chars, mut text_chars) = (pattern.chars(), text.chars());
    match pattern_chars.next() {
        None => text.is_empty(),
        Some('*') => {
            let rest = pattern_chars.as_str();
            (0..=text.len()).filter_map(|start| text.get(start..)).any(|tail| glob_matches(rest, tail))
        }
        Some(wanted) => match text_chars.next() {
            Some(found) => {
                (wanted == '?' || wanted == found)
                    && glob_matches(pattern_chars.as_str(), text_chars.as_str())
            }
            None => false,
        },
    }
}

struct KlogFormat {
    json: bool,
    process: u32,
}

/// The message and the named values of one event, in order.
#[derive(Default)]
struct Fields {
    message: String,
    values: Vec<(&'static str, serde_json::Value)>,
}

impl Visit for Fields {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        let text = format!("{value:?}");
        if field.name() == "message" {
            self.message = text;
        } else {
            self.values.push((field.name(), text.into()));
        }
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        if field.name() == "message" {
            self.message = value.to_owned();
        } else {
            self.values.push((field.name(), value.into()));
        }
    }

    fn record_i64(&mut self, field: &Field, value: i64) {
        self.values.push((field.name(), value.into()));
    }

    fn record_u64(&mut self, field: &Field, value: u64) {
        self.values.push((field.name(), value.into()));
    }

    fn record_bool(&mut self, field: &Field, value: bool) {
        self.values.push((field.name(), value.into()));
    }

    fn record_f64(&mut self, field: &Field, value: f64) {
        self.values.push((field.name(), value.into()));
    }

    fn record_error(&mut self, field: &Field, value: &(dyn std::error::Error + 'static)) {
        self.values.push((field.name(), crate::run::error_chain(value).into()));
    }
}

impl<S, N> FormatEvent<S, N> for KlogFormat
where
    S: Subscriber + for<'span> LookupSpan<'span>,
    N: for<'writer> FormatFields<'writer> + 'static,
{
    fn format_event(
        &self,
        _: &FmtContext<'_, S, N>,
        mut writer: Writer<'_>,
        event: &Event<'_>,
    ) -> fmt::Result {
        let mut fields = Fields::default();
        event.record(&mut fields);
        let metadata = event.metadata();
        let line = if self.json {
            json_line(jiff::Timestamp::now(), metadata, fields)
        } else {
            text_line(&jiff::Zoned::now(), self.process, metadata, &fields)
        };
        writeln!(writer, "{line}")
    }
}

/// `I0102 15:04:05.000000    1234 file.rs:7] "Message" key="value"`
fn text_line(now: &jiff::Zoned, process: u32, metadata: &Metadata<'_>, fields: &Fields) -> String {
    let severity = match *metadata.level() {
        Level::ERROR => 'E',
        Level::WARN => 'W',
        _ => 'I',
    };
    let mut line = format!(
        "{severity}{:02}{:02} {:02}:{:02}:{:02}.{:06} {process:>7} {}] {:?}",
        now.month(),
        now.day(),
        now.hour(),
        now.minute(),
        now.second(),
        now.subsec_nanosecond() / 1000,
        caller(metadata),
        fields.message,
    );
    for (name, value) in &fields.values {
        // Writing to a String cannot fail.
        let _ = match value {
            serde_json::Value::String(text) => write!(line, " {}={text:?}", key(name)),
            other => write!(line, " {}={other}", key(name)),
        };
    }
    line
}

fn json_line(now: jiff::Timestamp, metadata: &Metadata<'_>, fields: Fields) -> String {
    let mut object = serde_json::Map::new();
    let milliseconds = now.as_microsecond() as f64 / 1000.0;
    object.insert("ts".into(), milliseconds.into());
    object.insert("caller".into(), caller(metadata).into());
    object.insert("msg".into(), fields.message.into());
    let verbosity = match *metadata.level() {
        Level::ERROR | Level::WARN => None,
        Level::INFO => Some(0),
        Level::DEBUG => Some(4),
        Level::TRACE => Some(6),
    };
    if let Some(verbosity) = verbosity {
        object.insert("v".into(), verbosity.into());
    }
    let named: BTreeMap<_, _> = fields.values.into_iter().map(|(name, value)| (key(name), value)).collect();
    object.extend(named.into_iter().map(|(name, value)| (name.to_owned(), value)));
    serde_json::Value::Object(object).to_string()
}

/// Rust code says `error = …`; upstream's key is `err`.
fn key(name: &str) -> &str {
    if name == "error" { "err" } else { name.trim_start_matches("r#") }
}

fn caller(metadata: &Metadata<'_>) -> String {
    let file = metadata.file().unwrap_or("unknown");
    format!("{}:{}", file.rsplit('/').next().unwrap_or(file), metadata.line().unwrap_or(0))
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex};

    use super::*;

    #[derive(Clone, Default)]
    struct Captured(Arc<Mutex<Vec<u8>>>);

    impl std::io::Write for Captured {
        fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
            self.0.lock().expect("not poisoned").extend_from_slice(bytes);
            Ok(bytes.len())
        }
        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }

    fn capture(options: &LoggingOptions, body: impl FnOnce()) -> String {
        let captured = Captured::default();
        let writer = captured.clone();
        let rules = Verbosity::new(options).expect("valid options");
        let layer = tracing_subscriber::fmt::layer()
            .with_writer(move || writer.clone())
            .event_format(KlogFormat { json: options.logging_format == "json", process: 42 })
            .with_filter(filter::filter_fn(move |metadata| rules.enabled(metadata)));
        tracing::subscriber::with_default(tracing_subscriber::registry().with(layer), body);
        let bytes = captured.0.lock().expect("not poisoned").clone();
        String::from_utf8(bytes).expect("text")
    }

    #[test]
    fn text_is_klogs() {
        let out = capture(&LoggingOptions::default(), || {
            tracing::warn!(pod = "default/a", count = 3, "odd \"thing\"");
            tracing::debug!("hidden");
        });
        assert!(out.starts_with('W'), "{out}");
        assert!(out.contains("      42 logs.rs:"), "{out}");
        assert!(out.ends_with("] \"odd \\\"thing\\\"\" pod=\"default/a\" count=3\n"), "{out}");
    }

    #[test]
    fn json_has_upstreams_keys() {
        let options = LoggingOptions { logging_format: "json".into(), ..Default::default() };
        let out = capture(&options, || tracing::info!(error = "boom", "it broke"));
        let value: serde_json::Value = serde_json::from_str(&out).expect("json");
        assert_eq!(
            (&value["msg"], &value["err"], &value["v"]),
            (&"it broke".into(), &"boom".into(), &0.into())
        );
        assert!(value["ts"].is_f64());
    }

    #[test]
    fn verbosity_and_vmodule() {
        let shown = |verbosity, vmodule: &str| {
            let options = LoggingOptions { verbosity, vmodule: vmodule.into(), ..Default::default() };
            capture(&options, || {
                tracing::debug!("d");
                tracing::trace!("t");
                tracing::info!(target: "h2::codec", "library");
            })
            .lines()
            .count()
        };
        assert_eq!([shown(3, ""), shown(4, ""), shown(6, ""), shown(8, "")], [0, 1, 2, 3]);
        assert_eq!([shown(0, "lo*=4"), shown(0, "other=9"), shown(6, "logs=0")], [1, 0, 0]);
        let bad = LoggingOptions { vmodule: "x".into(), ..Default::default() };
        assert_eq!(Verbosity::new(&bad).err(), Some(LogsError::Vmodule("x".into())));
    }
}
