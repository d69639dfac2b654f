//! A message as the kernel gave it, kept to be given back.

use std::fmt;

use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error as _};

/// The bytes of a netlink message without its header: what a dump told of one object, with every attribute, also those
/// that nothing here knows. Two are compared by what is decoded beside, so all are equal.
#[derive(Clone, Default)]
pub struct Raw(pub Box<[u8]>);

impl Raw {
    /// Whether nothing was kept.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl PartialEq for Raw {
    fn eq(&self, _: &Self) -> bool {
        true
    }
}

impl Eq for Raw {}

impl fmt::Debug for Raw {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} bytes", self.0.len())
    }
}

impl Serialize for Raw {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let digits = self.0.iter().flat_map(|byte| [byte >> 4, byte & 15]);
        serializer
            .collect_str(&digits.map(|digit| char::from_digit(digit.into(), 16).unwrap_or('0')).collect::<String>())
    }
}

impl<'de> Deserialize<'de> for Raw {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        let digit = |letter: &u8| char::from(*letter).to_digit(16).and_then(|digit| u8::try_from(digit).ok());
        let (pairs, rest) = text.as_bytes().as_chunks::<2>();
        let bytes: Option<Vec<u8>> = pairs.iter().map(|[high, low]| Some(digit(high)? << 4 | digit(low)?)).collect();
        let bytes = bytes.filter(|_| rest.is_empty()).ok_or_else(|| D::Error::custom("these are no hex digits"))?;
        Ok(Self(bytes.into()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_kept_comes_back() {
        let raw = Raw(vec![0, 1, 0xfe, 0x7f].into());
        let text = serde_json::to_string(&raw).unwrap();
        assert_eq!(text, "\"0001fe7f\"");
        assert_eq!(serde_json::from_str::<Raw>(&text).unwrap().0, raw.0);
        for bad in ["\"0\"", "\"0g\"", "1"] {
            assert!(serde_json::from_str::<Raw>(bad).is_err(), "{bad}");
        }
    }
}
