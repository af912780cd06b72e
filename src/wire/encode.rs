//! A request as bytes (RFC 9112 sections 2 to 4), nothing checked and nothing corrected.

use std::borrow::Cow;

use crate::model::Request;

use super::address::Origin;

/// The bytes of a request: the verbatim ones, else request line, fields and content as they are
/// given. `Host` is put first when it is absent, `Content-Length` last when the content or the
/// method calls for it and neither it nor `Transfer-Encoding` is given.
pub(super) fn encode<'a>(request: &'a Request, origin: &Origin) -> Cow<'a, [u8]> {
    if let Some(verbatim) = &request.verbatim {
        return Cow::Borrowed(&verbatim.0);
    }
    let mut bytes = Vec::with_capacity(256 + request.body.0.len());
    let mut put = |parts: &[&[u8]]| parts.iter().for_each(|part| bytes.extend_from_slice(part));
    put(&[request.method.as_bytes(), b" ", request.target.as_bytes(), b" HTTP/1.1\r\n"]);
    if !has(request, "host") {
        put(&[b"Host: ", origin.authority.as_bytes(), b"\r\n"]);
    }
    for header in &request.headers {
        put(&[header.name.as_bytes(), b": ", &header.value.0, b"\r\n"]);
    }
    let content = &request.body.0;
    let expects_content = matches!(&*request.method, "POST" | "PUT" | "PATCH");
    let framed = has(request, "content-length") || has(request, "transfer-encoding");
    if !framed && (expects_content || !content.is_empty()) {
        put(&[b"Content-Length: ", content.len().to_string().as_bytes(), b"\r\n"]);
    }
    put(&[b"\r\n", content]);
    Cow::Owned(bytes)
}

/// The method that decides whether an answer has content: of verbatim bytes, their first word.
pub(super) fn method(request: &Request) -> Cow<'_, str> {
    match &request.verbatim {
        Some(verbatim) => {
            let word = verbatim.0.split(|byte| *byte == b' ').next().unwrap_or_default();
            String::from_utf8_lossy(word)
        }
        None => Cow::Borrowed(&request.method),
    }
}

/// Whether a request gives a header field, by case-insensitive name.
pub(super) fn has(request: &Request, name: &str) -> bool {
    request.headers.iter().any(|header| header.name.eq_ignore_ascii_case(name))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::Header;

    fn encoded(method: &str, headers: &[(&str, &str)], body: &str) -> String {
        let request = Request {
            method: method.to_owned(),
            target: "/a/../b?c=%2f".to_owned(),
            headers: headers.iter().map(|(name, value)| Header::new(*name, value)).collect(),
            body: body.into(),
            ..Request::default()
        };
        let origin = Origin::parse("http://[::1]:8080").unwrap();
        String::from_utf8(encode(&request, &origin).into_owned()).unwrap()
    }

    #[test]
    fn host_and_length_are_added_only_when_they_are_absent() {
        const LINE: &str = "/a/../b?c=%2f HTTP/1.1\r\n";
        const HOST: &str = "Host: [::1]:8080\r\n";
        for (method, headers, body, expected) in [
            ("GET", &[][..], "", format!("GET {LINE}{HOST}\r\n")),
            ("GET", &[], "hi", format!("GET {LINE}{HOST}Content-Length: 2\r\n\r\nhi")),
            ("POST", &[], "", format!("POST {LINE}{HOST}Content-Length: 0\r\n\r\n")),
            (
                "POST",
                &[("content-LENGTH", "9")],
                "hi",
                format!("POST {LINE}{HOST}content-LENGTH: 9\r\n\r\nhi"),
            ),
            (
                "PUT",
                &[("Transfer-Encoding", "chunked")],
                "0\r\n\r\n",
                format!("PUT {LINE}{HOST}Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n"),
            ),
            (
                "get",
                &[("hOST", "x"), ("B", "1"), ("A", "\0"), ("B", "2")],
                "",
                format!("get {LINE}hOST: x\r\nB: 1\r\nA: \0\r\nB: 2\r\n\r\n"),
            ),
        ] {
            assert_eq!(encoded(method, headers, body), expected);
        }
    }

    #[test]
    fn verbatim_bytes_are_all_that_is_sent() {
        let request = Request {
            method: "GET".to_owned(),
            verbatim: Some(b"HEAD / HTTP/9.9\n\xff".to_vec().into()),
            ..Request::default()
        };
        let origin = Origin::parse("http://127.0.0.1:1").unwrap();
        assert_eq!(&*encode(&request, &origin), b"HEAD / HTTP/9.9\n\xff");
        assert_eq!(method(&request), "HEAD");
    }
}
