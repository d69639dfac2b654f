//! What a word was probably meant to be: `yes` is true to some readers of YAML, `1e3` a thousand, and `010` eight to some and
//! ten to others. Here each is a word, and where no word can stand the error says how to write what was meant.

/// The longest number that is looked at, in bytes.
const LONGEST: usize = 32;

/// True or false, in whatever words.
pub fn truth(word: &str) -> Option<bool> {
    match word {
        "1" => Some(true),
        "0" => Some(false),
        _ if ["true", "yes", "on", "y"].iter().any(|it| word.eq_ignore_ascii_case(it)) => Some(true),
        _ if ["false", "no", "off", "n"].iter().any(|it| word.eq_ignore_ascii_case(it)) => Some(false),
        _ => None,
    }
}

/// A whole number in another notation than plain decimal: `0x1F`, `0o17`, `0b1`, `1_000`, `1e3`, `1.0`, `+1`.
pub fn whole(text: &str) -> Option<u64> {
    if text.len() > LONGEST || text.bytes().all(|b| b.is_ascii_digit()) {
        return None;
    }
    let bare = text.strip_prefix('+').unwrap_or(text).replace('_', "");
    let radix = |digits: Option<&str>, radix| digits.and_then(|digits| u64::from_str_radix(digits, radix).ok());
    let lower = bare.to_ascii_lowercase();
    radix(lower.strip_prefix("0x"), 16)
        .or_else(|| radix(lower.strip_prefix("0o"), 8))
        .or_else(|| radix(lower.strip_prefix("0b"), 2))
        .or_else(|| decimal(&lower))
}

fn decimal(text: &str) -> Option<u64> {
    let begins = text.starts_with(|c: char| c.is_ascii_digit()) && !begins_with_zero(text);
    let number: f64 = text.parse().ok().filter(|_| begins)?;
    // What is larger is no count of anything in a network.
    (number.fract() == 0.0 && number <= f64::from(u32::MAX)).then(|| format!("{number:.0}").parse().ok())?
}

/// Whether it is a number with a zero in front: octal to some, decimal to others.
pub fn begins_with_zero(text: &str) -> bool {
    text.len() > 1 && text.starts_with('0') && text.bytes().all(|b| b.is_ascii_digit())
}

/// How to write the number that a text was meant to be.
pub fn advice(text: &str) -> Option<String> {
    if begins_with_zero(text) && text.len() <= LONGEST {
        let bare = text.trim_start_matches('0');
        return Some(format!("write {}", if bare.is_empty() { "0" } else { bare }));
    }
    whole(text).map(|number| format!("write {number}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_in_other_notations_are_known() {
        for (text, number) in [
            ("0x1F", 31),
            ("0o17", 15),
            ("0b101", 5),
            ("1_000", 1000),
            ("1e3", 1000),
            ("1E3", 1000),
            ("1.0", 1),
            ("5.", 5),
            ("+1", 1),
            ("1.5e3", 1500),
        ] {
            assert_eq!(whole(text), Some(number), "{text}");
        }
        for word in
            ["80", "010", "1.5", ".5", "-1", "22:22", "web", "e3", "inf", "nan", "1e99", "", "+", "_", "0x", "é"]
        {
            assert_eq!(whole(word), None, "{word}");
        }
        assert_eq!(advice("010").as_deref(), Some("write 10"));
        assert_eq!(advice("00").as_deref(), Some("write 0"));
        assert_eq!(advice("0"), None);
    }

    #[test]
    fn truth_in_other_words_is_known() {
        for word in ["yes", "On", "TRUE", "y", "1"] {
            assert_eq!(truth(word), Some(true), "{word}");
        }
        for word in ["no", "off", "False", "N", "0"] {
            assert_eq!(truth(word), Some(false), "{word}");
        }
        assert_eq!(truth("web"), None);
    }
}
