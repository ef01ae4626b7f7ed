//! Sizes and durations in Synapse's spelling.

use std::time::Duration;

/// Bytes: a number, or one with the suffix `K`, `M`, `G` or `T` (powers of 1024).
pub(super) fn size(text: &str) -> Option<u64> {
    let (digits, unit) = match text.chars().last()? {
        'K' => (&text[..text.len() - 1], 1 << 10),
        'M' => (&text[..text.len() - 1], 1 << 20),
        'G' => (&text[..text.len() - 1], 1 << 30),
        'T' => (&text[..text.len() - 1], 1 << 40),
        _ => (text, 1),
    };
    digits.trim().parse::<u64>().ok()?.checked_mul(unit)
}

/// Milliseconds: a number, or one with the suffix `s`, `m`, `h`, `d`, `w` (7 days) or `y` (365 days).
pub(super) fn duration(text: &str) -> Option<Duration> {
    const SECOND: u64 = 1000;
    const DAY: u64 = 24 * 60 * 60 * SECOND;
    let (digits, unit) = match text.chars().last()? {
        's' => (&text[..text.len() - 1], SECOND),
        'm' => (&text[..text.len() - 1], 60 * SECOND),
        'h' => (&text[..text.len() - 1], 60 * 60 * SECOND),
        'd' => (&text[..text.len() - 1], DAY),
        'w' => (&text[..text.len() - 1], 7 * DAY),
        'y' => (&text[..text.len() - 1], 365 * DAY),
        _ => (text, 1),
    };
    digits.trim().parse::<u64>().ok()?.checked_mul(unit).map(Duration::from_millis)
}
