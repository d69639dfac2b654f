//! Values of flags that have a form of their own: each with its parsing and what is said of a bad one.

use std::{str::FromStr, time::Duration};

/// A `-var K=V`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Assignment {
    /// The variable.
    pub name: String,
    /// What it is set to, as written.
    pub value: String,
}

impl FromStr for Assignment {
    type Err = String;
    fn from_str(text: &str) -> Result<Self, String> {
        match text.split_once('=') {
            Some((name, value)) if !name.is_empty() => Ok(Self { name: name.to_owned(), value: value.to_owned() }),
            _ => Err("write NAME=VALUE, such as n=4".to_owned()),
        }
    }
}

/// Reads `30s`, `500ms`, `2m`, `1h`, `1m30s` and `0`: what Terraform takes.
pub fn duration(text: &str) -> Result<Duration, String> {
    let bad = || "write a number with a unit, such as 30s, 500ms, 2m or 1m30s".to_owned();
    if text == "0" {
        return Ok(Duration::ZERO);
    }
    let mut rest = text;
    let mut total = Duration::ZERO;
    while !rest.is_empty() {
        let digits = rest.find(|c: char| !c.is_ascii_digit() && c != '.').ok_or_else(bad)?;
        let (number, tail) = rest.split_at(digits);
        let end = tail.find(|c: char| c.is_ascii_digit() || c == '.').unwrap_or(tail.len());
        let (unit, tail) = tail.split_at(end);
        let scale = match unit {
            "ms" => 0.001,
            "s" => 1.0,
            "m" => 60.0,
            "h" => 3600.0,
            _ => return Err(bad()),
        };
        let number: f64 = number.parse().map_err(|_| bad())?;
        let part =
            Duration::try_from_secs_f64(number * scale).map_err(|_| "is longer than can be waited".to_owned())?;
        total = total.checked_add(part).ok_or("is longer than can be waited")?;
        rest = tail;
    }
    if text.is_empty() { Err(bad()) } else { Ok(total) }
}

/// How long to wait for an answer: some time, and an hour at most.
pub fn timeout(text: &str) -> Result<Duration, String> {
    let timeout = duration(text)?;
    let fits = (Duration::from_millis(100)..=Duration::from_secs(3600)).contains(&timeout);
    fits.then_some(timeout).ok_or_else(|| "write a time from 100ms to 1h".to_owned())
}

/// How many things may be done at once: 1 or more.
pub fn parallelism(text: &str) -> Result<usize, String> {
    match text.parse() {
        Ok(n) if (1..=1024).contains(&n) => Ok(n),
        _ => Err("write a number from 1 to 1024".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_are_read_with_their_units() {
        for (text, milliseconds) in
            [("0", 0), ("0s", 0), ("30s", 30_000), ("500ms", 500), ("2m", 120_000), ("1m30s", 90_000), ("1.5s", 1_500)]
        {
            assert_eq!(duration(text).unwrap(), Duration::from_millis(milliseconds), "{text}");
        }
        for bad in ["", "30", "s", "-5s", "5 s", "5d", "1..5s", "1s5", "30S", "99999999999999999999h", "∞s", ".s"] {
            assert!(duration(bad).is_err(), "{bad} was taken");
        }
    }

    #[test]
    fn an_answer_is_given_some_time() {
        for (text, milliseconds) in [("100ms", 100), ("5s", 5_000), ("1h", 3_600_000)] {
            assert_eq!(timeout(text).unwrap(), Duration::from_millis(milliseconds), "{text}");
        }
        for bad in ["0", "99ms", "61m", "5", ""] {
            assert!(timeout(bad).is_err(), "{bad} was taken");
        }
    }

    #[test]
    fn an_assignment_is_split_at_its_first_equals_sign() {
        let assignment: Assignment = "key=a=b".parse().unwrap();
        assert_eq!((assignment.name.as_str(), assignment.value.as_str()), ("key", "a=b"));
        assert_eq!("n=".parse::<Assignment>().unwrap().value, "");
        assert!("=4".parse::<Assignment>().is_err() && "n".parse::<Assignment>().is_err());
    }

    #[test]
    fn at_least_one_thing_is_done_at_once() {
        assert_eq!(parallelism("10"), Ok(10));
        for bad in ["0", "-1", "x", "", "100000"] {
            assert!(parallelism(bad).is_err(), "{bad} was taken");
        }
    }
}
