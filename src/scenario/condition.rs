//! Conditions on the server, as meant: what a step, an expectation or a whole scenario is only for.
//!
//! Whether one holds is for the binding of the flow to say.

use std::fmt;

use super::raw::RawPart as Part;

/// A condition on the server.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum When {
    /// The server has a capability.
    Capability(String),
    /// The profile decides a gap in some way.
    Choice(Decided),
    /// An operation has a parameter, in a part of the request.
    Parameter(Placed),
}

/// A condition on a decided gap.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Decided {
    /// The gap.
    pub choice: String,
    /// The answers of which one must have been chosen.
    pub is: Vec<String>,
    /// The answers of which none may have been chosen; an undecided gap will do.
    pub is_not: Vec<String>,
}

impl Decided {
    /// Whether the answer that a profile chose meets the condition.
    pub fn holds(&self, chosen: Option<&String>) -> bool {
        match chosen {
            Some(answer) if self.is.is_empty() => !self.is_not.contains(answer),
            Some(answer) => self.is.contains(answer),
            None => self.is.is_empty(),
        }
    }

    /// What it asks for, in words.
    pub fn wanted(&self) -> String {
        match self.is.as_slice() {
            [] => format!("anything but {}", self.is_not.join(" or ")),
            several => several.join(" or "),
        }
    }
}

/// A parameter of an operation, in any part of the request or in one: `login.username`, `refresh.refresh_token.header`.
#[derive(Clone, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub struct Placed {
    /// The operation.
    pub operation: String,
    /// The parameter.
    pub parameter: String,
    /// The part of the request.
    pub part: Option<Part>,
}

impl Placed {
    /// Reads `OPERATION.PARAMETER` or `OPERATION.PARAMETER.PART`.
    ///
    /// # Errors
    /// A sentence that says how it is written.
    pub fn parse(text: &str) -> Result<Self, String> {
        let names: Vec<&str> = text.split('.').collect();
        let (operation, parameter, part) = match names.as_slice() {
            [operation, parameter] => (operation, parameter, None),
            [operation, parameter, part] => {
                let named = Part::ALL.into_iter().find(|known| known.name() == *part);
                let parts = Part::ALL.map(Part::name).join(", ");
                let named = named.ok_or_else(|| {
                    format!("`{part}` is no part of a request; there are {parts}")
                })?;
                (operation, parameter, Some(named))
            }
            _ => {
                return Err(format!(
                    "`{text}` is not OPERATION.PARAMETER or OPERATION.PARAMETER.PART"
                ));
            }
        };
        Ok(Self { operation: (*operation).to_owned(), parameter: (*parameter).to_owned(), part })
    }
}

impl fmt::Display for Placed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.operation, self.parameter)?;
        self.part.map_or(Ok(()), |part| write!(f, ".{}", part.name()))
    }
}
