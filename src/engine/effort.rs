//! How often a run repeats what rests on chance.

/// A sample of so few is not made smaller.
const FEWEST: u32 = 50;

/// How often races and statistics are repeated.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum Effort {
    /// A quarter: for each change of the code.
    Quick,
    /// As the scenarios say.
    #[default]
    Normal,
    /// Five times: for a release.
    Thorough,
}

impl Effort {
    /// A number of repeats at this effort.
    pub fn scale(self, repeats: u32) -> u32 {
        match self {
            Self::Quick => repeats.div_ceil(4),
            Self::Normal => repeats,
            Self::Thorough => repeats.saturating_mul(5),
        }
    }

    /// A number of values for a statistic: never so few that they show nothing.
    pub fn sample(self, count: u32) -> u32 {
        self.scale(count).max(count.min(FEWEST))
    }

    /// A number of connections that are open at once: fewer for a quick run, never more, because descriptors are bounded.
    pub fn crowd(self, connections: u32) -> u32 {
        match self {
            Self::Quick => self.scale(connections),
            Self::Normal | Self::Thorough => connections,
        }
    }
}
