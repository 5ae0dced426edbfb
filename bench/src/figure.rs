//! Numbers as people read them.

/// Returns a figure with three significant digits where it is small, and with separated thousands where it is large.
pub fn figure(value: f64) -> String {
    let digits = match value.abs() {
        large if large >= 100.0 => return thousands(value),
        middle if middle >= 10.0 => 1,
        small if small >= 0.1 => 2,
        _ => 3,
    };
    format!("{value:.digits$}")
}

fn thousands(value: f64) -> String {
    let plain = format!("{value:.0}");
    let (sign, digits) = plain.strip_prefix('-').map_or(("", plain.as_str()), |digits| ("-", digits));
    let mut text = String::with_capacity(digits.len() + digits.len() / 3 + 1);
    text.push_str(sign);
    for (place, digit) in digits.chars().enumerate() {
        if place > 0 && (digits.len() - place) % 3 == 0 {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn figures_are_short_and_readable() {
        for (value, text) in [
            (0.0, "0.000"),
            (0.0123, "0.012"),
            (0.5, "0.50"),
            (12.34, "12.3"),
            (123.4, "123"),
            (74_154.4, "74,154"),
            (-1234.0, "-1,234"),
            (1_000_000.0, "1,000,000"),
        ] {
            assert_eq!(figure(value), text);
        }
    }
}
