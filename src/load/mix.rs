//! Which kinds of tokens are asked about, and how often.

use std::fmt;
use std::str::FromStr;

use crate::source::closest;

/// A kind of token to ask about.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub enum Kind {
    /// Issued and good.
    Valid,
    /// Looks like a valid one and was never issued.
    Unknown,
    /// No token at all.
    Malformed,
    /// Good once; its lifetime is over.
    Expired,
    /// Good once; taken back.
    Revoked,
    /// Good in the flow's other environment.
    OtherEnvironment,
    /// Good in another flow of the same server.
    OtherFlow,
}

impl Kind {
    /// All kinds with their names.
    pub const ALL: [(Self, &'static str); 7] = [
        (Self::Valid, "valid"),
        (Self::Unknown, "unknown"),
        (Self::Malformed, "malformed"),
        (Self::Expired, "expired"),
        (Self::Revoked, "revoked"),
        (Self::OtherEnvironment, "other-environment"),
        (Self::OtherFlow, "other-flow"),
    ];

    pub(super) const fn name(self) -> &'static str {
        Self::ALL[self as usize].1
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// Which kinds of tokens are asked about, and how often: `valid=98,unknown=2`.
#[derive(Clone, Debug, PartialEq)]
pub struct Mix(pub(super) Vec<(Kind, f64)>);

impl Default for Mix {
    fn default() -> Self {
        Self(vec![(Kind::Valid, 100.0)])
    }
}

impl Mix {
    /// Whether tokens of another flow are asked for.
    pub fn needs_other_flow(&self) -> bool {
        self.0.iter().any(|(kind, _)| *kind == Kind::OtherFlow)
    }
}

impl fmt::Display for Mix {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (at, (kind, share)) in self.0.iter().enumerate() {
            let comma = if at == 0 { "" } else { "," };
            write!(f, "{comma}{kind}={share}")?;
        }
        Ok(())
    }
}

impl FromStr for Mix {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let wrong = |why: String| format!("`{text}` is not a mix: {why}; write valid=98,unknown=2");
        let mut mix: Vec<(Kind, f64)> = Vec::new();
        for part in text.split(',') {
            let (name, share) =
                part.trim().split_once('=').ok_or_else(|| wrong(format!("`{part}` has no `=`")))?;
            let kind = Kind::ALL.iter().find(|(_, known)| *known == name).map(|(kind, _)| *kind);
            let kind = kind.ok_or_else(|| {
                let near = closest(name, Kind::ALL.iter().map(|(_, known)| *known));
                let meant =
                    near.map(|near| format!(", did you mean `{near}`?")).unwrap_or_default();
                wrong(format!("there are no `{name}` tokens{meant}"))
            })?;
            let share = share.parse::<f64>().ok().filter(|share| *share > 0.0 && share.is_finite());
            let share = share.ok_or_else(|| wrong(format!("`{part}` has no share above 0")))?;
            if mix.iter().any(|(other, _)| *other == kind) {
                return Err(wrong(format!("`{name}` is there twice")));
            }
            mix.push((kind, share));
        }
        Ok(Self(mix))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mix_is_read_with_its_shares() {
        let mix: Mix = "valid=98, unknown=1.5,malformed=0.5".parse().unwrap();
        assert_eq!(mix.0, [(Kind::Valid, 98.0), (Kind::Unknown, 1.5), (Kind::Malformed, 0.5)]);
        assert_eq!(mix.to_string(), "valid=98,unknown=1.5,malformed=0.5");
        for (at, (kind, name)) in Kind::ALL.iter().enumerate() {
            assert_eq!((*kind as usize, kind.name()), (at, *name));
        }
    }

    #[test]
    fn a_malformed_mix_is_refused_with_a_sentence() {
        for (text, why) in [
            ("", "has no `=`"),
            ("valid", "has no `=`"),
            ("vaild=1", "did you mean `valid`"),
            ("valid=0", "no share above 0"),
            ("valid=-1", "no share above 0"),
            ("valid=x", "no share above 0"),
            ("valid=inf", "no share above 0"),
            ("valid=1,valid=2", "is there twice"),
            ("valid=1,", "has no `=`"),
        ] {
            let error = text.parse::<Mix>().unwrap_err();
            assert!(error.contains(why), "{text}: {error}");
        }
    }
}
