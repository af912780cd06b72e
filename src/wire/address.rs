//! The target of a connection, read from the base address of a request.

use reqwest::Url;

use crate::model::WireError;

/// Scheme and authority, taken apart for connecting.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Origin {
    /// Whether the scheme is `https`.
    pub secure: bool,
    /// A name or an address, without the brackets of IPv6.
    pub host: String,
    /// The port, the scheme's own where none is written.
    pub port: u16,
    /// The value of the `Host` field (RFC 9110 section 7.2).
    pub authority: String,
}

impl Origin {
    /// Reads `http://127.0.0.1:8080`.
    ///
    /// # Errors
    /// When the text is anything but scheme and authority.
    pub fn parse(base: &str) -> Result<Self, WireError> {
        let wrong = |why: &str| {
            WireError::Unsendable(format!(
                "the base address `{base}` {why}; it is written like http://127.0.0.1:8080"
            ))
        };
        let url = Url::parse(base).map_err(|error| wrong(&format!("is no URL: {error}")))?;
        let secure = match url.scheme() {
            "http" => false,
            "https" => true,
            _ => return Err(wrong("has a scheme other than http and https")),
        };
        if url.path() != "/" || url.query().is_some() || url.fragment().is_some() {
            return Err(wrong("goes on after the authority"));
        }
        if !url.username().is_empty() || url.password().is_some() {
            return Err(wrong("holds credentials"));
        }
        let host = url.host_str().ok_or_else(|| wrong("names no host"))?;
        let port = url.port_or_known_default().ok_or_else(|| wrong("names no port"))?;
        let authority = match url.port() {
            Some(port) => format!("{host}:{port}"),
            None => host.to_owned(),
        };
        let host = host.trim_start_matches('[').trim_end_matches(']').to_owned();
        Ok(Self { secure, host, port, authority })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_origin_is_scheme_and_authority() {
        for (base, secure, host, port, authority) in [
            ("http://127.0.0.1:8080", false, "127.0.0.1", 8080, "127.0.0.1:8080"),
            ("http://gateway.local/", false, "gateway.local", 80, "gateway.local"),
            ("https://[::1]", true, "::1", 443, "[::1]"),
            ("https://[::1]:8443", true, "::1", 8443, "[::1]:8443"),
        ] {
            let origin = Origin::parse(base).unwrap();
            let expected =
                Origin { secure, host: host.to_owned(), port, authority: authority.to_owned() };
            assert_eq!(origin, expected, "{base}");
        }
    }

    #[test]
    fn anything_else_is_refused_with_a_sentence() {
        for (base, why) in [
            ("", "is no URL"),
            ("127.0.0.1:8080", "is no URL"),
            ("ftp://host", "scheme other than"),
            ("http://host/api", "goes on after"),
            ("http://host?x", "goes on after"),
            ("http://user:pass@host", "holds credentials"),
        ] {
            let error = Origin::parse(base).unwrap_err().to_string();
            assert!(error.contains(why), "{base}: {error}");
        }
    }
}
