//! What was probably meant.

/// The nearest of `known` to `text`, where it is near enough for a slip.
pub fn nearest<'k>(text: &str, known: impl Iterator<Item = &'k str>) -> Option<&'k str> {
    let lower = text.to_lowercase();
    let letters = lower.chars().count();
    let limit = (text.chars().count() / 3).clamp(1, 3);
    known
        // Every letter too many or too few is a step already, and a text may be as long as a file.
        .filter(|k| k.to_lowercase().chars().count().abs_diff(letters) <= limit)
        .map(|k| (strsim::damerau_levenshtein(&lower, &k.to_lowercase()), k))
        .filter(|(distance, k)| *distance <= limit && *distance < k.chars().count())
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, k)| k)
}

/// `a`, `b` or `c`.
pub fn one_of(names: &[&str]) -> String {
    listed(names, "or")
}

/// `a`, `b` and `c`.
pub fn all_of(names: &[&str]) -> String {
    listed(names, "and")
}

fn listed(names: &[&str], word: &str) -> String {
    let quoted: Vec<String> = names.iter().map(|n| format!("`{n}`")).collect();
    match quoted.split_last() {
        Some((last, [])) => last.clone(),
        Some((last, rest)) => format!("{} {word} {last}", rest.join(", ")),
        None => "nothing".into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slip_is_recognised_and_another_word_is_not() {
        let known = ["addresses", "interface", "mtu", "mac", "up"];
        let near = |text| nearest(text, known.into_iter());
        assert_eq!(near("adresses"), Some("addresses"));
        assert_eq!(near("Interface"), Some("interface"));
        assert_eq!(near("mtuu"), Some("mtu"));
        assert_eq!(near("address"), Some("addresses"));
        assert_eq!(near("colour"), None);
        assert_eq!(near("x"), None);
    }
}
