//! Reading systemd units: the settings of a service, its environment, and its command lines.

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
    time::Duration,
};

/// How a service is run.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Unit {
    /// Commands to run to their end before each start; a leading `-` lets one fail.
    pub start_pre: Vec<String>,
    pub start: String,
    pub environment: Vec<(String, String)>,
    /// Files with more variables, read at each start; a leading `-` lets one be absent.
    pub environment_files: Vec<String>,
    pub working_directory: Option<PathBuf>,
    /// The pause before a service that ended is started again.
    pub restart_pause: Duration,
    /// How long a service may take to stop before it is killed.
    pub stop_limit: Duration,
    /// Whether stopping the service ends all processes of its group, or the first one alone.
    pub kill_group: bool,
    /// Most open files.
    pub open_files: Option<u64>,
}

#[derive(Debug, thiserror::Error)]
pub enum UnitError {
    #[error("failed to read {path:?}")]
    Read { path: PathBuf, source: std::io::Error },
    #[error("{path:?} line {line}: {complaint}")]
    Line { path: PathBuf, line: usize, complaint: String },
    #[error("{path:?} has no ExecStart")]
    NoStart { path: PathBuf },
}

/// Settings that change nothing here: ordering is the order of starting, and the rest concerns what only
/// systemd has.
const WITHOUT_MEANING: [&str; 14] = [
    "Type",
    "Restart",
    "Delegate",
    "TasksMax",
    "OOMScoreAdjust",
    "LimitNPROC",
    "LimitCORE",
    "CPUAccounting",
    "MemoryAccounting",
    "StartLimitInterval",
    "StartLimitIntervalSec",
    "Slice",
    "NotifyAccess",
    "TimeoutStartSec",
];
const DEFAULT_PAUSE: Duration = Duration::from_secs(1);
const DEFAULT_STOP_LIMIT: Duration = Duration::from_secs(90);

impl Unit {
    /// Reads `<folder>/<name>.service` and the drop-ins beside it.
    pub fn load(folder: &Path, name: &str) -> Result<Self, UnitError> {
        let main = folder.join(format!("{name}.service"));
        let mut unit = Self {
            restart_pause: DEFAULT_PAUSE,
            stop_limit: DEFAULT_STOP_LIMIT,
            kill_group: true,
            ..Self::default()
        };
        unit.read(&main)?;
        let mut drop_ins: Vec<PathBuf> = std::fs::read_dir(folder.join(format!("{name}.service.d")))
            .map(|entries| entries.filter_map(|entry| entry.ok().map(|entry| entry.path())).collect())
            .unwrap_or_default();
        drop_ins.retain(|path| path.extension().is_some_and(|extension| extension == "conf"));
        drop_ins.sort();
        for path in drop_ins {
            unit.read(&path)?;
        }
        if unit.start.is_empty() { Err(UnitError::NoStart { path: main }) } else { Ok(unit) }
    }

    fn read(&mut self, path: &Path) -> Result<(), UnitError> {
        let text = std::fs::read_to_string(path)
            .map_err(|source| UnitError::Read { path: path.to_owned(), source })?;
        self.apply(&text).map_err(|(line, complaint)| UnitError::Line {
            path: path.to_owned(),
            line,
            complaint,
        })
    }

    /// Applies the `[Service]` section of a text; tells the line of what it does not understand.
    fn apply(&mut self, text: &str) -> Result<(), (usize, String)> {
        let mut in_service = false;
        let mut lines = text.lines().enumerate();
        while let Some((index, line)) = lines.next() {
            let mut line = line.trim().to_owned();
            while line.ends_with('\\') {
                line.pop();
                line.push_str(lines.next().map_or("", |(_, more)| more.trim()));
            }
            if line.is_empty() || line.starts_with(['#', ';']) {
                continue;
            }
            if line.starts_with('[') {
                in_service = line == "[Service]";
                continue;
            }
            if !in_service {
                continue;
            }
            let Some((key, value)) = line.split_once('=') else {
                return Err((index + 1, format!("expected a setting, found {line:?}")));
            };
            self.set(key.trim(), value.trim()).map_err(|complaint| (index + 1, complaint))?;
        }
        Ok(())
    }

    fn set(&mut self, key: &str, value: &str) -> Result<(), String> {
        match key {
            // An empty value takes back what was set before.
            "ExecStart" => self.start = value.to_owned(),
            "ExecStartPre" => reset_or_push(&mut self.start_pre, value),
            "EnvironmentFile" => reset_or_push(&mut self.environment_files, value),
            "Environment" => {
                let words = split_words(value)?;
                if words.is_empty() {
                    self.environment.clear();
                }
                for word in words {
                    let pair = word.split_once('=').ok_or_else(|| format!("{word:?} is no variable"))?;
                    self.environment.push((pair.0.to_owned(), pair.1.to_owned()));
                }
            }
            "WorkingDirectory" => self.working_directory = Some(PathBuf::from(value)),
            "RestartSec" => self.restart_pause = duration(value)?,
            "TimeoutStopSec" => self.stop_limit = duration(value)?,
            "LimitNOFILE" => {
                self.open_files = match value {
                    "infinity" => None,
                    number => Some(number.parse().map_err(|_| format!("{number:?} is no number"))?),
                }
            }
            "KillMode" => {
                self.kill_group = match value {
                    "control-group" | "mixed" => true,
                    "process" => false,
                    other => return Err(format!("KillMode={other} is not supported")),
                }
            }
            known if WITHOUT_MEANING.contains(&known) => {}
            other => return Err(format!("the setting {other} is not supported")),
        }
        Ok(())
    }

    /// The variables of one start: the unit's, then those of the files.
    pub fn variables(&self) -> Result<BTreeMap<String, String>, UnitError> {
        let mut variables: BTreeMap<String, String> = self.environment.iter().cloned().collect();
        for file in &self.environment_files {
            let (path, optional) = optional(file);
            let text = match std::fs::read_to_string(path) {
                Ok(text) => text,
                Err(error) if optional && error.kind() == std::io::ErrorKind::NotFound => continue,
                Err(source) => return Err(UnitError::Read { path: PathBuf::from(path), source }),
            };
            for (index, line) in text.lines().enumerate() {
                let line = line.trim();
                if line.is_empty() || line.starts_with(['#', ';']) {
                    continue;
                }
                let broken = |complaint: String| UnitError::Line {
                    path: PathBuf::from(path),
                    line: index + 1,
                    complaint,
                };
                let (name, value) =
                    line.split_once('=').ok_or_else(|| broken(format!("{line:?} is no variable")))?;
                variables.insert(name.trim().to_owned(), unquote(value.trim()));
            }
        }
        Ok(variables)
    }
}

/// Splits a leading `-` off, which marks what may fail.
pub fn optional(text: &str) -> (&str, bool) {
    text.strip_prefix('-').map_or((text, false), |rest| (rest, true))
}

/// The words of a command line with its variables: `$NAME` as words of its own, `${NAME}` in place.
pub fn command_words(line: &str, variables: &BTreeMap<String, String>) -> Result<Vec<String>, String> {
    let mut words = Vec::new();
    for word in split_words(line)? {
        match word.strip_prefix('$') {
            Some(name) if is_name(name) => {
                words.extend(
                    variables
                        .get(name)
                        .into_iter()
                        .flat_map(|value| value.split_whitespace())
                        .map(str::to_owned),
                );
            }
            _ => words.push(expand(&word, variables)),
        }
    }
    Ok(words)
}

fn is_name(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
}

fn expand(word: &str, variables: &BTreeMap<String, String>) -> String {
    let mut text = String::new();
    let mut rest = word;
    while let Some(place) = rest.find("${") {
        let (before, after) = rest.split_at(place);
        text.push_str(before);
        match after[2..].split_once('}') {
            Some((name, more)) if is_name(name) => {
                text.push_str(variables.get(name).map_or("", String::as_str));
                rest = more;
            }
            _ => {
                text.push_str("${");
                rest = &after[2..];
            }
        }
    }
    text.push_str(rest);
    text
}

/// Words between spaces, with single and double quotes.
fn split_words(line: &str) -> Result<Vec<String>, String> {
    let mut words = Vec::new();
    let (mut word, mut quote, mut started) = (String::new(), None, false);
    for character in line.chars() {
        match (quote, character) {
            (Some(open), close) if open == close => quote = None,
            (Some(_), other) => word.push(other),
            (None, '"' | '\'') => {
                quote = Some(character);
                started = true;
            }
            (None, space) if space.is_whitespace() => {
                if started {
                    words.push(std::mem::take(&mut word));
                    started = false;
                }
            }
            (None, other) => {
                word.push(other);
                started = true;
            }
        }
    }
    if quote.is_some() {
        return Err(format!("a quote is not closed in {line:?}"));
    }
    if started {
        words.push(word);
    }
    Ok(words)
}

fn unquote(value: &str) -> String {
    let inner = |quote: char| value.strip_prefix(quote).and_then(|rest| rest.strip_suffix(quote));
    inner('"').or_else(|| inner('\'')).unwrap_or(value).replace("\\\"", "\"")
}

fn reset_or_push(list: &mut Vec<String>, value: &str) {
    if value.is_empty() { list.clear() } else { list.push(value.to_owned()) }
}

/// Seconds, with or without a unit.
fn duration(value: &str) -> Result<Duration, String> {
    let (number, scale) = match value.strip_suffix("ms") {
        Some(number) => (number, 0.001),
        None => match value.strip_suffix("min") {
            Some(number) => (number, 60.0),
            None => (value.strip_suffix('s').unwrap_or(value), 1.0),
        },
    };
    let seconds: f64 = number.trim().parse().map_err(|_| format!("{value:?} is no length of time"))?;
    Duration::try_from_secs_f64(seconds * scale).map_err(|error| format!("{value:?}: {error}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn folder(files: &[(&str, &str)]) -> tempfile::TempDir {
        let folder = tempfile::tempdir().expect("a folder");
        for (name, contents) in files {
            let path = folder.path().join(name);
            std::fs::create_dir_all(path.parent().expect("a parent")).expect("made");
            std::fs::write(path, contents).expect("written");
        }
        folder
    }

    #[test]
    fn a_unit_and_its_drop_in_are_one() {
        let folder = folder(&[
            (
                "kubelet.service",
                "[Unit]\nDescription=x\n[Service]\nExecStart=/usr/local/bin/kubelet\nRestart=always\nRestartSec=500ms\n[Install]\nWantedBy=x\n",
            ),
            (
                "kubelet.service.d/10-kubeadm.conf",
                "[Service]\nEnvironment=\"CONFIG=--config=/c.yaml --x\" B=2\nEnvironmentFile=-/no/such/file\nExecStart=\nExecStart=/usr/local/bin/kubelet $CONFIG \\\n  --b=${B} $NONE\n",
            ),
            ("kubelet.service.d/notes.txt", "not read"),
        ]);
        let unit = Unit::load(folder.path(), "kubelet").expect("a unit");
        assert_eq!(unit.restart_pause, Duration::from_millis(500));
        let variables = unit.variables().expect("readable");
        assert_eq!(
            command_words(&unit.start, &variables).expect("words"),
            ["/usr/local/bin/kubelet", "--config=/c.yaml", "--x", "--b=2"]
        );
    }

    #[test]
    fn files_add_variables() {
        let folder = folder(&[("env", "# comment\nARGS=\"--a=1 --b='2'\"\n")]);
        let unit = Unit {
            environment_files: vec![folder.path().join("env").to_string_lossy().into_owned()],
            ..Unit::default()
        };
        let variables = unit.variables().expect("readable");
        assert_eq!(variables.get("ARGS").map(String::as_str), Some("--a=1 --b='2'"));
        let missing = Unit { environment_files: vec!["/no/such/file".to_owned()], ..Unit::default() };
        assert!(missing.variables().is_err());
    }

    #[test]
    fn what_is_not_understood_is_told() {
        for (text, part) in [
            (
                "[Service]\nExecStart=/bin/x\nProtectHome=yes\n",
                "line 3: the setting ProtectHome is not supported",
            ),
            ("[Service]\nExecStart=/bin/x\nRestartSec=soon\n", "is no length of time"),
            ("[Service]\nExecStart\n", "expected a setting"),
            ("[Unit]\nDescription=x\n", "has no ExecStart"),
        ] {
            let folder = folder(&[("x.service", text)]);
            let error = Unit::load(folder.path(), "x").expect_err(text).to_string();
            assert!(error.contains(part), "{error}");
        }
        assert!(split_words("a \"b").is_err());
    }

    #[test]
    fn words_keep_their_quotes_contents() {
        assert_eq!(split_words("a 'b c' \"d\"e ''").expect("words"), ["a", "b c", "de", ""]);
    }
}
