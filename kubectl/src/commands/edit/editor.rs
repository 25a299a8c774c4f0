//! Starting the user's editor (`kubectl/pkg/cmd/util/editor`).

use std::path::Path;
use std::process::Command;

use crate::Result;
use crate::error::message;

/// The command line of the editor, and whether a shell must read it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Editor {
    words: Vec<String>,
    shell: bool,
}

impl Editor {
    /// KUBE_EDITOR, EDITOR, or vi.
    pub fn from_environment() -> Editor {
        let set = |name: &str| std::env::var(name).ok().filter(|text| !text.is_empty());
        let shell = set("SHELL").unwrap_or_else(|| "/bin/bash".to_owned());
        Editor::parse(&set("KUBE_EDITOR").or_else(|| set("EDITOR")).unwrap_or_else(|| "vi".to_owned()), &shell)
    }

    /// A command line; with quotes it is the shell's.
    fn parse(text: &str, shell: &str) -> Editor {
        if !text.contains(' ') {
            return Editor { words: vec![text.to_owned()], shell: false };
        }
        if !text.contains(['"', '\'', '\\']) {
            return Editor { words: text.split(' ').map(str::to_owned).collect(), shell: false };
        }
        Editor { words: vec![shell.to_owned(), "-c".to_owned(), text.to_owned()], shell: true }
    }

    /// The whole command line for a file.
    fn arguments(&self, path: &Path) -> Vec<String> {
        let path = path.display().to_string();
        let mut words = self.words.clone();
        match words.last_mut() {
            Some(last) if self.shell => last.push_str(&format!(" {path:?}")),
            _ => words.push(path),
        }
        words
    }

    /// Lets the user edit a file.
    pub fn open(&self, path: &Path) -> Result<()> {
        let shown = self.words.join(" ");
        let arguments = self.arguments(path);
        let Some((program, arguments)) = arguments.split_first() else {
            return Err(message("no editor is configured: set KUBE_EDITOR or EDITOR"));
        };
        match Command::new(program).args(arguments).status() {
            Ok(status) if status.success() => Ok(()),
            Ok(_) => Err(message(format!("there was a problem with the editor {shown:?}"))),
            Err(_) => Err(message(format!("unable to launch the editor {shown:?}"))),
        }
    }

    /// A certain command line, for tests.
    #[cfg(test)]
    pub fn of(words: &[&str]) -> Editor {
        Editor { words: words.iter().map(|word| (*word).to_owned()).collect(), shell: false }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn editors_may_have_arguments() {
        let check = |text: &str, expected: &[&str]| {
            let made = Editor::parse(text, "/bin/sh").arguments(Path::new("/tmp/x"));
            assert_eq!(made, expected, "{text}");
        };
        check("vi", &["vi", "/tmp/x"]);
        check("code --wait", &["code", "--wait", "/tmp/x"]);
        check("'my editor' -w", &["/bin/sh", "-c", "'my editor' -w \"/tmp/x\""]);
    }
}
