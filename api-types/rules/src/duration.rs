//! Durations as people read them: `45s`, `5m10s`, `3d4h`.
//!
//! Source: `k8s.io/apimachinery/pkg/util/duration`, `HumanDuration`.

use machinery::Time;

/// The duration in at most two units, the second one only where it still matters.
pub fn human(seconds: i64) -> String {
    // Two seconds of clock skew between client and server are shown as zero.
    if seconds < -1 {
        return "<invalid>".to_owned();
    }
    if seconds < 0 {
        return "0s".to_owned();
    }
    if seconds < 120 {
        return format!("{seconds}s");
    }
    let minutes = seconds / 60;
    if minutes < 10 {
        return with_rest(minutes, 'm', seconds % 60, 's');
    }
    if minutes < 180 {
        return format!("{minutes}m");
    }
    let hours = seconds / 3600;
    if hours < 8 {
        return with_rest(hours, 'h', minutes % 60, 'm');
    }
    if hours < 48 {
        return format!("{hours}h");
    }
    if hours < 192 {
        return with_rest(hours / 24, 'd', hours % 24, 'h');
    }
    if hours < 24 * 365 * 2 {
        return format!("{}d", hours / 24);
    }
    if hours < 24 * 365 * 8 {
        return with_rest(hours / 24 / 365, 'y', hours / 24 % 365, 'd');
    }
    format!("{}y", hours / 24 / 365)
}

fn with_rest(first: i64, first_unit: char, second: i64, second_unit: char) -> String {
    if second == 0 {
        format!("{first}{first_unit}")
    } else {
        format!("{first}{first_unit}{second}{second_unit}")
    }
}

/// Human duration from `time` to `now`; `<unknown>` when there is no time.
pub fn since(time: Time, now: jiff::Timestamp) -> String {
    if time.is_zero() {
        return "<unknown>".to_owned();
    }
    human(now.as_second() - time.seconds)
}

#[cfg(test)]
mod tests {
    use super::human;

    #[test]
    fn human_durations() {
        let cases = [
            (-2, "<invalid>"),
            (-1, "0s"),
            (0, "0s"),
            (70, "70s"),
            (119, "119s"),
            (120, "2m"),
            (190, "3m10s"),
            (600, "10m"),
            (179 * 60, "179m"),
            (180 * 60, "3h"),
            (3 * 3600 + 600, "3h10m"),
            (8 * 3600, "8h"),
            (47 * 3600, "47h"),
            (48 * 3600, "2d"),
            (49 * 3600, "2d1h"),
            (8 * 24 * 3600, "8d"),
            (2 * 365 * 24 * 3600, "2y"),
            (2 * 365 * 24 * 3600 + 26 * 3600, "2y1d"),
            (9 * 365 * 24 * 3600, "9y"),
        ];
        for (seconds, expected) in cases {
            assert_eq!(human(seconds), expected, "{seconds} seconds");
        }
    }
}
