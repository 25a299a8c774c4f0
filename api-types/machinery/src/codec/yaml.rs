//! YAML as Kubernetes reads and writes it: the scalar rules of Go's YAML 1.1 library, and the look of
//! `sigs.k8s.io/yaml`.

mod emit;
mod parse;
mod resolve;
mod sort;
#[cfg(test)]
mod tests;

pub use emit::to_string;
pub use parse::{Decoded, DuplicateKey, MAX_DEPTH, YamlError, decode, from_str};
pub use sort::to_string_sorted;

/// Splits a stream into its documents: a line which begins with `---` and holds at most a comment after it
/// separates two. Documents without content are left out.
pub fn split_documents(text: &str) -> Vec<&str> {
    let mut documents = Vec::new();
    let mut start = 0;
    let mut position = 0;
    for line in text.split_inclusive('\n') {
        let end = position + line.len();
        if is_separator(line) {
            documents.push(&text[start..position]);
            start = end;
        }
        position = end;
    }
    documents.push(&text[start..]);
    documents.retain(|document| document.lines().any(has_content));
    documents
}

fn is_separator(line: &str) -> bool {
    line.strip_prefix("---").map(str::trim).is_some_and(|rest| rest.is_empty() || rest.starts_with('#'))
}

fn has_content(line: &str) -> bool {
    let line = line.trim();
    !line.is_empty() && !line.starts_with('#')
}
