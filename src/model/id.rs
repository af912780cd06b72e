//! Names that never change once published: flows, clauses, checks.

use std::fmt;
use std::str::FromStr;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// One of the five documented token schemes, or the cross-cutting clauses of the RFCs.
#[derive(
    Clone, Copy, Debug, Deserialize, Eq, Hash, JsonSchema, Ord, PartialEq, PartialOrd, Serialize,
)]
#[serde(rename_all = "kebab-case")]
pub enum Flow {
    /// A gateway whose button opens a two-minute window for a bearer token (`BTN`).
    GatewayButton,
    /// A channel login that answers plain text (`CHN`).
    ChannelLogin,
    /// A visitor login with device information and a debug mode (`VMS`).
    VisitorLogin,
    /// An OAuth 2.0 password login with JWTs and single-use refresh tokens (`JWT`).
    JwtLogin,
    /// Client id and secret in headers, for tokens of two environments (`SUC`).
    EnvironmentToken,
    /// Clauses of RFCs that hold for every flow they fit (`X`).
    Common,
}

impl Flow {
    /// The five documented flows, in the order in which they are reported.
    pub const DOCUMENTED: [Self; 5] = [
        Self::GatewayButton,
        Self::ChannelLogin,
        Self::VisitorLogin,
        Self::JwtLogin,
        Self::EnvironmentToken,
    ];

    /// The name in files, on the command line and in reports.
    pub const fn name(self) -> &'static str {
        match self {
            Self::GatewayButton => "gateway-button",
            Self::ChannelLogin => "channel-login",
            Self::VisitorLogin => "visitor-login",
            Self::JwtLogin => "jwt-login",
            Self::EnvironmentToken => "environment-token",
            Self::Common => "common",
        }
    }

    /// The prefix of the flow's clause and check ids.
    pub const fn prefix(self) -> &'static str {
        match self {
            Self::GatewayButton => "BTN",
            Self::ChannelLogin => "CHN",
            Self::VisitorLogin => "VMS",
            Self::JwtLogin => "JWT",
            Self::EnvironmentToken => "SUC",
            Self::Common => "X",
        }
    }
}

impl fmt::Display for Flow {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

/// A name that is not a flow.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[error(
    "`{0}` is not a flow; the flows are gateway-button, channel-login, visitor-login, jwt-login, environment-token"
)]
pub struct UnknownFlow(pub String);

impl FromStr for Flow {
    type Err = UnknownFlow;

    /// Reads the name of a flow, or its clause prefix in any case (`btn`).
    fn from_str(text: &str) -> Result<Self, UnknownFlow> {
        Self::DOCUMENTED
            .into_iter()
            .chain([Self::Common])
            .find(|flow| flow.name() == text || flow.prefix().eq_ignore_ascii_case(text))
            .ok_or_else(|| UnknownFlow(text.to_owned()))
    }
}

macro_rules! id {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, Debug, Deserialize, Eq, Hash, JsonSchema, Ord, PartialEq, PartialOrd, Serialize)]
        #[serde(transparent)]
        pub struct $name(String);

        impl $name {
            /// Takes the text as it stands; whether such an id exists is for the catalogue to say.
            pub fn new(text: impl Into<String>) -> Self {
                Self(text.into())
            }

            /// The id as it is printed.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.pad(&self.0)
            }
        }
    };
}

id! {
    /// The id of one normative sentence of a contract: `BTN-04`.
    ClauseId
}

id! {
    /// The id of one named assertion of a scenario: `BTN-WINDOW-03`; a check that runs for several
    /// flows carries the flow: `X-CHALLENGE-01@jwt-login`.
    CheckId
}

impl CheckId {
    /// The id for one flow of a check that runs for several.
    pub fn at(&self, flow: Flow) -> Self {
        Self(format!("{}@{flow}", self.0))
    }

    /// Whether it is a check that several flows have.
    pub fn is_shared(&self) -> bool {
        self.0.contains('@')
    }

    /// The id without the flow behind the `@`.
    pub fn base(&self) -> &str {
        self.0.split('@').next().unwrap_or(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_flow_is_found_by_its_name_and_by_its_prefix() {
        for flow in Flow::DOCUMENTED {
            assert_eq!(flow.name().parse(), Ok(flow));
            assert_eq!(flow.prefix().to_lowercase().parse(), Ok(flow));
        }
        assert!("gateway".parse::<Flow>().is_err());
    }

    #[test]
    fn a_check_of_several_flows_keeps_its_base() {
        let check = CheckId::new("X-CHALLENGE-01").at(Flow::JwtLogin);
        assert_eq!(check.as_str(), "X-CHALLENGE-01@jwt-login");
        assert_eq!(check.base(), "X-CHALLENGE-01");
    }
}
