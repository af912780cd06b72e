//! A request that is encoded once; only the token in it changes.

use form_urlencoded::byte_serialize;

use crate::model::{Bytes, Request, WireError};
use crate::wire::encoded;

/// Many tokens in one piece of memory.
#[derive(Clone, Debug, Default)]
pub(super) struct Tokens {
    bytes: String,
    ends: Vec<usize>,
}

impl Tokens {
    pub(super) fn push(&mut self, token: &str) {
        self.bytes.push_str(token);
        self.ends.push(self.bytes.len());
    }

    pub(super) fn len(&self) -> usize {
        self.ends.len()
    }

    /// A token; empty when there is none of that number.
    #[inline]
    pub(super) fn get(&self, at: usize) -> &str {
        let start = if at == 0 { 0 } else { self.ends.get(at - 1).copied().unwrap_or(0) };
        let end = self.ends.get(at).copied().unwrap_or(start);
        &self.bytes[start..end]
    }
}

impl<'a> FromIterator<&'a str> for Tokens {
    fn from_iter<I: IntoIterator<Item = &'a str>>(tokens: I) -> Self {
        let mut all = Self::default();
        tokens.into_iter().for_each(|token| all.push(token));
        all
    }
}

/// The request of a case.
#[derive(Clone, Debug)]
pub(super) struct Form {
    request: Request,
    /// The token that stands in `request`.
    token: String,
    /// The bytes before and behind the token, when that is all that changes.
    around: Option<(Vec<u8>, Vec<u8>)>,
}

impl Form {
    /// The form of a request that presents a token.
    ///
    /// # Errors
    /// When the request cannot be encoded, or does not have the token in it.
    pub(super) fn new(request: Request, token: &str) -> Result<Self, String> {
        let bytes = encoded(&request).map_err(|error| error.to_string())?;
        let places: Vec<usize> = find_all(&bytes, token.as_bytes());
        // In a target or a body a token may be encoded, and a body has a length.
        let plain = !request.body.text().contains(token) && !request.target.contains(token);
        let around = match places.as_slice() {
            [at] if plain => Some((bytes[..*at].to_vec(), bytes[*at + token.len()..].to_vec())),
            _ => None,
        };
        let form = Self { request, token: token.to_owned(), around };
        if form.around.is_none() && form.request("another") == form.request {
            return Err("the request does not present its token".to_owned());
        }
        Ok(form)
    }

    /// The form of a request that is the same each time.
    ///
    /// # Errors
    /// When the request cannot be encoded.
    pub(super) fn fixed(request: Request) -> Result<Self, String> {
        let bytes = encoded(&request).map_err(|error| error.to_string())?;
        Ok(Self { request, token: String::new(), around: Some((bytes, Vec::new())) })
    }

    /// The request with another token.
    pub(super) fn request(&self, token: &str) -> Request {
        let mut request = self.request.clone();
        if self.token.is_empty() {
            return request;
        }
        for header in &mut request.headers {
            replace(&mut header.value, &self.token, token);
        }
        let urlencode = |text: &str| byte_serialize(text.as_bytes()).collect::<String>();
        request.target = request.target.replace(&urlencode(&self.token), &urlencode(token));
        let media_type =
            request.headers.iter().find(|h| h.name.eq_ignore_ascii_case("content-type"));
        let media_type = media_type.map(|h| h.value.text().into_owned()).unwrap_or_default();
        let spelled = |token: &str| {
            if media_type.contains("urlencoded") {
                urlencode(token)
            } else if media_type.contains("json") {
                serde_json::Value::from(token).to_string().trim_matches('"').to_owned()
            } else {
                token.to_owned()
            }
        };
        replace(&mut request.body, &spelled(&self.token), &spelled(token));
        request
    }

    /// Puts the bytes of the request with this token into `out`. `kept` says that `out` still holds the last request of
    /// this form, with a token of this length.
    #[inline]
    pub(super) fn write(
        &self,
        token: &str,
        kept: bool,
        out: &mut Vec<u8>,
    ) -> Result<(), WireError> {
        match &self.around {
            Some((before, _)) if self.token.is_empty() => out.clone_from(before),
            Some((before, _)) if kept => {
                out[before.len()..before.len() + token.len()].copy_from_slice(token.as_bytes());
            }
            Some((before, behind)) => {
                out.clear();
                out.extend_from_slice(before);
                out.extend_from_slice(token.as_bytes());
                out.extend_from_slice(behind);
            }
            None => *out = encoded(&self.request(token))?,
        }
        Ok(())
    }

    /// Whether the method is HEAD, whose answers have no content.
    pub(super) fn is_head(&self) -> bool {
        self.request.method == "HEAD"
    }

    /// The method.
    pub(super) fn method(&self) -> &str {
        &self.request.method
    }

    /// How many bytes of content it has.
    pub(super) fn content(&self) -> usize {
        self.request.body.0.len()
    }

    /// Scheme and authority.
    pub(super) fn base(&self) -> &str {
        &self.request.base
    }

    /// The same with a header field more.
    ///
    /// # Errors
    /// As for [`Form::new`].
    pub(super) fn with_header(&self, header: crate::model::Header) -> Result<Self, String> {
        let mut request = self.request.clone();
        request.headers.push(header);
        match self.token.is_empty() {
            true => Self::fixed(request),
            false => Self::new(request, &self.token),
        }
    }
}

fn replace(bytes: &mut Bytes, old: &str, new: &str) {
    let places = find_all(&bytes.0, old.as_bytes());
    let mut out = Vec::with_capacity(bytes.0.len());
    let mut from = 0;
    for at in places {
        out.extend_from_slice(&bytes.0[from..at]);
        out.extend_from_slice(new.as_bytes());
        from = at + old.len();
    }
    out.extend_from_slice(&bytes.0[from..]);
    bytes.0 = out;
}

fn find_all(bytes: &[u8], part: &[u8]) -> Vec<usize> {
    let mut places = Vec::new();
    let mut from = 0;
    while !part.is_empty() && from + part.len() <= bytes.len() {
        let Some(at) = bytes[from..].windows(part.len()).position(|window| window == part) else {
            break;
        };
        places.push(from + at);
        from += at + part.len();
    }
    places
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::Header;

    fn request(headers: &[(&str, &str)], target: &str, body: &str) -> Request {
        Request {
            base: "http://127.0.0.1:1".to_owned(),
            method: if body.is_empty() { "GET" } else { "POST" }.to_owned(),
            target: target.to_owned(),
            headers: headers.iter().map(|(name, value)| Header::new(*name, value)).collect(),
            body: body.into(),
            ..Request::default()
        }
    }

    #[test]
    fn the_token_is_replaced_wherever_it_is_presented_and_spelled_as_that_place_asks() {
        for (request, wanted) in [
            (request(&[("A", "Bearer tok/1")], "/a", ""), "A: Bearer b+2\r\n"),
            (request(&[], "/a?t=tok%2F1", ""), "GET /a?t=b%2B2 HTTP"),
            (
                request(
                    &[("Content-Type", "application/x-www-form-urlencoded")],
                    "/a",
                    "t=tok%2F1",
                ),
                "Content-Length: 7\r\n\r\nt=b%2B2",
            ),
            (
                request(&[("Content-Type", "application/json")], "/a", "{\"t\":\"tok/1\"}"),
                "{\"t\":\"b+2\"}",
            ),
        ] {
            let form = Form::new(request, "tok/1").unwrap();
            let mut out = Vec::new();
            form.write("b+2", false, &mut out).unwrap();
            let text = String::from_utf8(out).unwrap();
            assert!(text.contains(wanted), "{text}");
            assert_eq!(text.as_bytes(), encoded(&form.request("b+2")).unwrap());
        }
    }

    #[test]
    fn a_token_of_the_same_length_is_patched_in_place() {
        let form = Form::new(request(&[("A", "Bearer one")], "/a", ""), "one").unwrap();
        let mut out = Vec::new();
        form.write("one", false, &mut out).unwrap();
        let at = out.as_ptr();
        form.write("two", true, &mut out).unwrap();
        assert_eq!(out, encoded(&form.request("two")).unwrap());
        assert_eq!(out.as_ptr(), at);
    }

    #[test]
    fn a_request_without_its_token_is_refused() {
        assert!(Form::new(request(&[("A", "Bearer x")], "/a", ""), "one").is_err());
    }

    #[test]
    fn tokens_come_back_as_they_were_put_in() {
        let tokens: Tokens = ["a", "", "longer"].into_iter().collect();
        assert_eq!((0..4).map(|at| tokens.get(at)).collect::<Vec<_>>(), ["a", "", "longer", ""]);
        assert_eq!(tokens.len(), 3);
    }
}
