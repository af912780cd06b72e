//! Text on a page: nothing that a server said is ever markup.

use std::fmt;

use crate::report::text::acts;

/// A text on one line; characters that act show themselves.
pub(super) struct Text<'a>(pub(super) &'a str);

/// A text of several lines.
pub(super) struct Lines<'a>(pub(super) &'a str);

impl fmt::Display for Text<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write(self.0, f, |_| false)
    }
}

impl fmt::Display for Lines<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write(&self.0.replace("\r\n", "\n"), f, |c| c == '\n')
    }
}

fn write(text: &str, f: &mut fmt::Formatter<'_>, harmless: fn(char) -> bool) -> fmt::Result {
    use fmt::Write as _;
    for c in text.chars() {
        match c {
            '&' => f.write_str("&amp;")?,
            '<' => f.write_str("&lt;")?,
            '>' => f.write_str("&gt;")?,
            '"' => f.write_str("&quot;")?,
            '\'' => f.write_str("&#39;")?,
            c if acts(c) && !harmless(c) => write!(f, "{}", c.escape_default())?,
            c => f.write_char(c)?,
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn markup_and_control_characters_are_only_text() {
        let text = "<script>\"'&\u{1b}[2J\u{202e}\r\n</script>";
        assert_eq!(
            Text(text).to_string(),
            "&lt;script&gt;&quot;&#39;&amp;\\u{1b}[2J\\u{202e}\\r\\n&lt;/script&gt;"
        );
        assert_eq!(Lines("a\r\nb\u{7}").to_string(), "a\nb\\u{7}");
    }
}
