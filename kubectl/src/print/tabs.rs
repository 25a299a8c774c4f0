//! Columns of text, laid out as Go's `tabwriter` does with kubectl's settings.

const MINIMUM: usize = 6;
const PADDING: usize = 3;

/// Lays rows out; the last cell of a row is not padded. Widths are kept for later rows, as in a watch.
#[derive(Clone, Debug, Default)]
pub struct Columns {
    widths: Vec<usize>,
}

impl Columns {
    /// The text of some rows.
    pub fn render(&mut self, rows: &[Vec<String>]) -> String {
        for row in rows {
            for (at, cell) in row.iter().enumerate().take(row.len().saturating_sub(1)) {
                let width = (cell.chars().count() + PADDING).max(MINIMUM);
                match self.widths.get_mut(at) {
                    Some(known) => *known = (*known).max(width),
                    None => self.widths.push(width),
                }
            }
        }
        let mut text = String::new();
        for row in rows {
            for (at, cell) in row.iter().enumerate() {
                text.push_str(cell);
                if at + 1 < row.len() {
                    let width = self.widths.get(at).copied().unwrap_or(MINIMUM);
                    text.extend(std::iter::repeat_n(' ', width.saturating_sub(cell.chars().count())));
                }
            }
            text.push('\n');
        }
        text
    }
}

/// Lays out rows once.
pub fn render(rows: &[Vec<String>]) -> String {
    Columns::default().render(rows)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_are_padded_but_for_the_last() {
        let row = |cells: &[&str]| cells.iter().map(|cell| (*cell).to_owned()).collect::<Vec<_>>();
        assert_eq!(
            render(&[row(&["NAME", "AGE"]), row(&["kubernetes", "5m"])]),
            "NAME         AGE\nkubernetes   5m\n"
        );
        assert_eq!(render(&[row(&["A", "B", "C"]), row(&["", "x", ""])]), "A     B     C\n      x     \n");
    }
}
