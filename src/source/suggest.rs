//! "Did you mean".

/// The known name that is nearest to a mistyped one, when one is near enough.
pub fn closest<'a>(wrong: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let limit = (wrong.chars().count() / 3).max(1);
    known
        .into_iter()
        .map(|name| (strsim::damerau_levenshtein(wrong, name), name))
        .filter(|(distance, _)| *distance <= limit)
        .min()
        .map(|(_, name)| name)
}

#[cfg(test)]
mod tests {
    use super::closest;

    #[test]
    fn a_near_name_is_suggested_and_a_far_one_is_not() {
        let known = ["generate", "validate", "revoke"];
        assert_eq!(closest("genrate", known), Some("generate"));
        assert_eq!(closest("gnereate", known), Some("generate"));
        assert_eq!(closest("banana", known), None);
    }
}
