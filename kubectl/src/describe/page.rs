//! The page a description is written on: lines with tabs, laid out at the end as Go's `tabwriter` does.

use std::fmt::Display;

use jiff::Timestamp;
use jiff::tz::TimeZone;
use serde_json::Value;

use crate::values;

/// Blanks between columns.
const PADDING: usize = 2;
/// Annotations longer than this are cut.
const LONGEST_ANNOTATION: usize = 140;
/// The annotation that only repeats the object.
const LAST_APPLIED: &str = crate::apply::LAST_APPLIED;

/// A description in the making.
#[derive(Clone, Debug)]
pub struct Page {
    text: String,
    indent: usize,
    now: Timestamp,
    zone: TimeZone,
}

impl Page {
    /// An empty page; ages count up to `now`, times are shown in `zone`.
    pub fn new(now: Timestamp, zone: TimeZone) -> Page {
        Page { text: String::new(), indent: 0, now, zone }
    }

    /// A part of a line.
    pub fn part(&mut self, level: usize, text: &str) {
        self.text.extend(std::iter::repeat_n("  ", self.indent + level));
        // What could steer a terminal is shown instead.
        self.text.push_str(&text.replace('\u{1b}', "^[").replace('\r', "\\r"));
    }

    /// A whole line, or several.
    pub fn line(&mut self, level: usize, text: &str) {
        self.part(level, text);
        self.text.push('\n');
    }

    /// `label:` and its value.
    pub fn field(&mut self, level: usize, label: &str, value: impl Display) {
        self.line(level, &format!("{label}:\t{value}"));
    }

    /// A line of cells.
    pub fn row<const N: usize>(&mut self, level: usize, cells: [&str; N]) {
        self.line(level, &cells.join("\t"));
    }

    /// A label and one value a line beneath each other, `<none>` without any.
    pub fn column(&mut self, level: usize, label: &str, values: &[String]) {
        self.part(level, &format!("{label}:\t"));
        if values.is_empty() {
            self.line(0, "<none>");
        }
        for (at, value) in values.iter().enumerate() {
            if at > 0 {
                self.part(0, "");
                self.part(level, "\t");
            }
            self.line(0, value);
        }
    }

    /// The entries of a map, one a line. The label carries its own indent, as the lines after the first have none.
    pub fn labels(&mut self, label: &str, object: &Value, pointer: &str) {
        self.column(0, label, &pairs(object, pointer));
    }

    /// The annotations but for the one `apply` keeps; long ones on lines of their own.
    pub fn annotations(&mut self, label: &str, object: &Value, pointer: &str) {
        self.part(0, &format!("{label}:\t"));
        let shown = values::entries(object, pointer).into_iter().filter(|(key, _)| *key != LAST_APPLIED);
        let mut first = true;
        for (key, value) in shown {
            if !std::mem::replace(&mut first, false) {
                self.part(0, "\t");
            }
            let text = values::plain(value);
            let text = text.strip_suffix('\n').unwrap_or(&text);
            if text.len() + key.len() + 2 > LONGEST_ANNOTATION || text.contains('\n') {
                self.line(0, &format!("{key}:"));
                for line in text.split('\n') {
                    self.line(0, &format!("\t  {}", shorten(line, LONGEST_ANNOTATION - 2)));
                }
            } else {
                self.line(0, &format!("{key}: {text}"));
            }
        }
        if first {
            self.line(0, "<none>");
        }
    }

    /// Name, namespace, labels and annotations, as most kinds begin.
    pub fn identity(&mut self, object: &Value) {
        self.field(0, "Name", values::name(object));
        self.field(0, "Namespace", values::namespace(object));
        self.metadata_maps(object);
    }

    /// Labels and annotations.
    pub fn metadata_maps(&mut self, object: &Value) {
        self.labels("Labels", object, "/metadata/labels");
        self.annotations("Annotations", object, "/metadata/annotations");
    }

    /// The time at a pointer as in mail: `Mon, 02 Jan 2006 15:04:05 +0000`.
    pub fn time(&self, object: &Value, pointer: &str) -> String {
        match values::text(object, pointer).parse::<Timestamp>() {
            Ok(time) => time.to_zoned(self.zone.clone()).strftime("%a, %d %b %Y %H:%M:%S %z").to_string(),
            Err(_) => "Mon, 01 Jan 0001 00:00:00 +0000".to_owned(),
        }
    }

    /// The time at a pointer as Go prints it: `2006-01-02 15:04:05 +0000 UTC`.
    pub fn plain_time(&self, object: &Value, pointer: &str) -> String {
        match values::text(object, pointer).parse::<Timestamp>() {
            Ok(time) => time.to_zoned(self.zone.clone()).strftime("%Y-%m-%d %H:%M:%S %z %Z").to_string(),
            Err(_) => "0001-01-01 00:00:00 +0000 UTC".to_owned(),
        }
    }

    /// How long ago the time at a pointer was.
    pub fn age(&self, object: &Value, pointer: &str) -> String {
        let time = values::text(object, pointer).parse::<machinery::Time>().ok();
        machinery::table::age(time.as_ref(), self.now)
    }

    /// Writes a part of the page further in. As upstream's, every piece of a line is indented, not only its start.
    pub fn nested(&mut self, level: usize, write: impl FnOnce(&mut Page)) {
        self.indent += level;
        write(self);
        self.indent -= level;
    }

    /// The page with its columns aligned.
    pub fn finish(self) -> String {
        align(&self.text)
    }
}

/// Labels as `key=value`, sorted.
pub fn pairs(object: &Value, pointer: &str) -> Vec<String> {
    let entries = values::entries(object, pointer).into_iter();
    entries.map(|(key, value)| format!("{key}={}", values::plain(value))).collect()
}

/// At most `most` bytes, with dots for the rest.
pub fn shorten(text: &str, most: usize) -> String {
    if text.len() <= most {
        return text.to_owned();
    }
    let end = (0..=most).rev().find(|at| text.is_char_boundary(*at)).unwrap_or_default();
    format!("{}...", text.get(..end).unwrap_or_default())
}

/// Pads the cells of neighbouring lines to the same width; the last cell of a line is not padded.
fn align(text: &str) -> String {
    let lines: Vec<Vec<&str>> = text.split('\n').map(|line| line.split('\t').collect()).collect();
    let mut widths: Vec<Vec<usize>> = lines.iter().map(|line| vec![0; line.len() - 1]).collect();
    let columns = widths.iter().map(Vec::len).max().unwrap_or_default();
    for column in 0..columns {
        let mut at = 0;
        while at < lines.len() {
            let run = widths.iter().skip(at).take_while(|widths| widths.len() > column).count();
            let cells = lines.iter().skip(at).take(run).filter_map(|line| line.get(column));
            let width = cells.map(|cell| cell.chars().count() + PADDING).max().unwrap_or_default();
            for known in widths.iter_mut().skip(at).take(run).filter_map(|widths| widths.get_mut(column)) {
                *known = width;
            }
            at += run.max(1);
        }
    }
    let mut out = String::with_capacity(text.len() * 2);
    for (at, (line, widths)) in lines.iter().zip(&widths).enumerate() {
        if at > 0 {
            out.push('\n');
        }
        for (column, cell) in line.iter().enumerate() {
            out.push_str(cell);
            if let Some(width) = widths.get(column) {
                out.extend(std::iter::repeat_n(' ', width.saturating_sub(cell.chars().count())));
            }
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn columns_are_as_wide_as_their_neighbours_need() {
        let check = |text: &str, expected: &str| assert_eq!(align(text), expected);
        check("Name:\ta\nNamespace:\tb\n", "Name:       a\nNamespace:  b\n");
        check("A:\t1\nHead:\n  Long name:\t2\n", "A:  1\nHead:\n  Long name:  2\n");
        check("a\tbb\tc\nx\ty\n", "a  bb  c\nx  y\n");
        check("Port:\thttp\t80/TCP\nX:\ty\n", "Port:  http  80/TCP\nX:     y\n");
        check("a\t\nbb\tc", "a   \nbb  c");
    }

    #[test]
    fn long_annotations_have_their_own_lines() {
        let long = "x".repeat(150);
        let object = json!({"metadata": {"annotations": {
            LAST_APPLIED: "{}", "a": "1\n", "b": "two\nlines", "c": long}}});
        let mut page = Page::new(Timestamp::UNIX_EPOCH, TimeZone::UTC);
        page.annotations("Annotations", &object, "/metadata/annotations");
        page.annotations("None", &json!({}), "/metadata/annotations");
        let cut = "x".repeat(138);
        assert_eq!(
            page.finish(),
            format!(
                "Annotations:  a: 1\n              b:\n                two\n                lines\n              c:\n                {cut}...\nNone:         <none>\n"
            )
        );
    }

    #[test]
    fn times_are_shown_in_the_zone() {
        let page = Page::new("2026-01-02T03:05:05Z".parse().expect("a time"), TimeZone::UTC);
        let object = json!({"t": "2026-01-02T03:04:05Z"});
        assert_eq!(page.time(&object, "/t"), "Fri, 02 Jan 2026 03:04:05 +0000");
        assert_eq!(page.plain_time(&object, "/t"), "2026-01-02 03:04:05 +0000 UTC");
        assert_eq!(page.time(&object, "/none"), "Mon, 01 Jan 0001 00:00:00 +0000");
        assert_eq!(
            (page.age(&object, "/t").as_str(), page.age(&object, "/none").as_str()),
            ("60s", "<unknown>")
        );
    }
}
