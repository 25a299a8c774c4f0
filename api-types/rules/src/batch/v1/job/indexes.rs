//! Sets of indexes as text: `1,3-5,7`.

/// First and last index of a part.
type Interval = (i64, i64);

fn parse(text: &str, completions: i32) -> Result<Interval, String> {
    let mut parts = text.split('-');
    let (first, second, more) = (parts.next().unwrap_or_default(), parts.next(), parts.next());
    if more.is_some() {
        return Err(format!(
            "the fragment {text:?} violates the requirement that an index interval can have at most two parts separated by '-'"
        ));
    }
    let number = |text: &str| -> Result<i64, String> {
        let index: i64 =
            text.parse().map_err(|_| format!("cannot convert string to integer for index: {text:?}"))?;
        if index >= i64::from(completions) { Err(format!("too large index: {text:?}")) } else { Ok(index) }
    };
    let low = number(first)?;
    let Some(second) = second else { return Ok((low, low)) };
    let high = number(second)?;
    if low >= high {
        return Err(format!("non-increasing order, previous: {low}, current: {high}"));
    }
    Ok((low, high))
}

/// How many indexes below `completions` the text names, or what is wrong with it.
pub fn count(text: &str, completions: i32) -> Result<i64, String> {
    if text.is_empty() {
        return Ok(0);
    }
    let (mut total, mut last) = (0, None);
    for part in text.split(',') {
        let (low, high) = parse(part, completions)?;
        if let Some(last) = last.filter(|last| *last >= low) {
            return Err(format!("non-increasing order, previous: {last}, current: {low}"));
        }
        total += high - low + 1;
        last = Some(high);
    }
    Ok(total)
}

/// The first index that both name; parts that cannot be read are passed over.
pub fn overlap(completed: &str, failed: &str, completions: i32) -> Option<i64> {
    let read = |text: &str| -> Vec<Interval> {
        text.split(',').filter_map(|part| parse(part, completions).ok()).collect()
    };
    let (completed, failed) = (read(completed), read(failed));
    let (mut left, mut right) = (completed.iter().peekable(), failed.iter().peekable());
    while let (Some((c_low, c_high)), Some((f_low, f_high))) = (left.peek(), right.peek()) {
        if c_low <= f_high && f_low <= c_high {
            return Some(*c_low.max(f_low));
        }
        if c_low <= f_low {
            left.next()
        } else {
            right.next()
        };
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(text: &str, expected: Result<i64, &str>) {
        assert_eq!(count(text, 10), expected.map_err(str::to_owned), "{text}");
    }

    #[test]
    fn counts() {
        check("", Ok(0));
        check("1,3-5,7", Ok(5));
        check("0-9", Ok(10));
        check("3-10", Err("too large index: \"10\""));
        check("5,3", Err("non-increasing order, previous: 5, current: 3"));
        check("5-3", Err("non-increasing order, previous: 5, current: 3"));
        check(
            "1-2-3",
            Err(
                "the fragment \"1-2-3\" violates the requirement that an index interval can have at most two parts separated by '-'",
            ),
        );
        check("a", Err("cannot convert string to integer for index: \"a\""));
    }

    #[test]
    fn overlaps() {
        assert_eq!(overlap("1,3-5", "2,4", 10), Some(4));
        assert_eq!(overlap("1,3-5", "2,6", 10), None);
        assert_eq!(overlap("1,x,3-5", "3", 10), Some(3));
        assert_eq!(overlap("", "3", 10), None);
    }
}
