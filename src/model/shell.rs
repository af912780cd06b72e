//! A word as it is written for a shell, in lines that a reader is to paste.

/// The word as it is where it is plain, else between quotes; control characters as `$'\x07'`.
pub fn shell_word(word: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_./:=@%+,".contains(c);
    if !word.is_empty() && word.chars().all(plain) {
        return word.to_owned();
    }
    if word.chars().any(char::is_control) {
        let escaped: String = word
            .chars()
            .flat_map(|c| match c {
                '\'' => "\\'".chars().collect::<Vec<_>>(),
                '\\' => "\\\\".chars().collect(),
                c if c.is_control() => format!("\\x{:02x}", u32::from(c)).chars().collect(),
                c => vec![c],
            })
            .collect();
        return format!("$'{escaped}'");
    }
    format!("'{}'", word.replace('\'', "'\\''"))
}

#[cfg(test)]
mod tests {
    use super::shell_word;

    #[test]
    fn a_word_reaches_the_program_as_it_was() {
        for (word, written) in [
            ("http://127.0.0.1:8080/a?", "'http://127.0.0.1:8080/a?'"),
            ("--seed", "--seed"),
            ("", "''"),
            ("two words", "'two words'"),
            ("it's", "'it'\\''s'"),
            ("bell\u{7}", "$'bell\\x07'"),
        ] {
            assert_eq!(shell_word(word), written, "{word:?}");
        }
    }
}
