//! Random choices that a seed repeats: for names, probes and orders, never for secrets.

/// A SplitMix64 generator (Steele, Lea and Flood, 2014): small, fast, and every seed is a good one.
#[derive(Clone, Debug)]
pub struct Random(u64);

impl Random {
    /// A generator for a seed.
    pub const fn new(seed: u64) -> Self {
        Self(seed)
    }

    /// A generator of its own for a part of a run, so that parts can run in any order.
    pub fn derive(seed: u64, part: &str) -> Self {
        // FNV-1a: the part's name decides the stream, not the time at which it is asked for.
        let hash = part.bytes().fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
            (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
        });
        Self(seed ^ hash)
    }

    /// The next 64 bits.
    pub fn bits(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// A number below a bound; 0 when the bound is 0.
    pub fn below(&mut self, bound: usize) -> usize {
        if bound == 0 {
            return 0;
        }
        (self.bits() % bound as u64) as usize
    }

    /// A text of so many characters of an alphabet.
    pub fn text(&mut self, alphabet: &[u8], length: usize) -> String {
        (0..length).map(|_| char::from(alphabet[self.below(alphabet.len())])).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_seed_repeats_its_choices_and_parts_do_not_share_them() {
        let take = |mut random: Random| random.text(b"0123456789abcdef", 24);
        assert_eq!(take(Random::derive(7, "a")), take(Random::derive(7, "a")));
        assert_ne!(take(Random::derive(7, "a")), take(Random::derive(7, "b")));
        assert_ne!(take(Random::derive(7, "a")), take(Random::derive(8, "a")));
    }
}
