//! A request in its parts, before it is bytes: what mutators change.

use crate::model::Request;

/// How the content is framed.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) enum Framing {
    /// With its length; no field at all when there is no content and the method asks for none.
    Length,
    /// In chunks of so many bytes.
    Chunked(usize),
    /// By the fields alone that stand among the others.
    Own,
}

/// A request in its parts.
#[derive(Clone, Debug)]
pub(crate) struct Draft {
    /// The method.
    pub(crate) method: Vec<u8>,
    /// The target.
    pub(crate) target: Vec<u8>,
    /// The version.
    pub(crate) version: Vec<u8>,
    /// What stands between the parts of the request line.
    pub(crate) space: Vec<u8>,
    /// The fields, `Host` among them.
    pub(crate) fields: Vec<Field>,
    /// The content.
    pub(crate) body: Vec<u8>,
    /// How it is framed.
    pub(crate) framing: Framing,
    /// What stands in front of everything.
    pub(crate) before: Vec<u8>,
    /// The end of a line.
    pub(crate) line_end: Vec<u8>,
}

/// A field as it is written.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct Field {
    /// The name.
    pub(crate) name: Vec<u8>,
    /// What stands between name and value.
    pub(crate) colon: Vec<u8>,
    /// The value.
    pub(crate) value: Vec<u8>,
}

impl Field {
    /// A field.
    pub(crate) fn new(name: &[u8], value: &[u8]) -> Self {
        Self { name: name.to_vec(), colon: b": ".to_vec(), value: value.to_vec() }
    }

    /// Whether it has this name.
    pub(crate) fn is(&self, name: &str) -> bool {
        self.name.eq_ignore_ascii_case(name.as_bytes())
    }

    /// Whether its value has a character that a server may refuse, or read as a space (RFC 9110 section 5.5).
    pub(crate) fn has_control(&self) -> bool {
        self.value.iter().any(|byte| *byte < 0x20 && *byte != b'\t' || *byte == 0x7f)
    }

    /// Whether its value presents a token, to a server that is as generous as it may be: white space around it counts
    /// for nothing, some control characters count as spaces, and no scheme is told by its case.
    pub(crate) fn presents(&self, scheme: &str, token: &str, folds: bool) -> bool {
        let spaced = self.value.iter().map(|byte| match byte {
            0 | b'\r' | b'\n' | b'\t' => b' ',
            other => *other,
        });
        let spaced: Vec<u8> = spaced.collect();
        let value = spaced.trim_ascii();
        let Some((word, rest)) = value.split_at_checked(scheme.len()) else {
            return false;
        };
        let rest = rest.trim_ascii_start();
        let same = rest == token.as_bytes() || folds && rest.eq_ignore_ascii_case(token.as_bytes());
        word.eq_ignore_ascii_case(scheme.as_bytes())
            && rest.len() < value.len() - word.len()
            && same
    }
}

impl Draft {
    /// The parts of a request.
    pub(crate) fn of(request: &Request) -> Self {
        let host = request.base.split("://").last().unwrap_or_default().trim_end_matches('/');
        let mut fields = vec![Field::new(b"Host", host.as_bytes())];
        fields.extend(
            request
                .headers
                .iter()
                .map(|header| Field::new(header.name.as_bytes(), &header.value.0)),
        );
        Self {
            method: request.method.clone().into_bytes(),
            target: request.target.clone().into_bytes(),
            version: b"HTTP/1.1".to_vec(),
            space: b" ".to_vec(),
            fields,
            body: request.body.0.clone(),
            framing: Framing::Length,
            before: Vec::new(),
            line_end: b"\r\n".to_vec(),
        }
    }

    /// The place of a field.
    pub(crate) fn field(&mut self, name: &str) -> Option<&mut Field> {
        self.fields.iter_mut().find(|field| field.is(name))
    }

    /// The bytes of the request.
    pub(crate) fn bytes(&self) -> Vec<u8> {
        let mut bytes = self.before.clone();
        for part in
            [&self.method, &self.space, &self.target, &self.space, &self.version, &self.line_end]
        {
            bytes.extend_from_slice(part);
        }
        for field in &self.fields {
            for part in [&field.name, &field.colon, &field.value, &self.line_end] {
                bytes.extend_from_slice(part);
            }
        }
        let wants = matches!(&*self.method, b"POST" | b"PUT" | b"PATCH");
        let mut body = self.body.clone();
        match self.framing {
            Framing::Length if wants || !self.body.is_empty() => {
                bytes.extend_from_slice(format!("Content-Length: {}", self.body.len()).as_bytes());
                bytes.extend_from_slice(&self.line_end);
            }
            Framing::Chunked(size) => {
                bytes.extend_from_slice(b"Transfer-Encoding: chunked");
                bytes.extend_from_slice(&self.line_end);
                body = chunked(&self.body, size);
            }
            Framing::Length | Framing::Own => {}
        }
        bytes.extend_from_slice(&self.line_end);
        bytes.extend_from_slice(&body);
        bytes
    }
}

/// The chunked transfer coding (RFC 9112 section 7.1).
fn chunked(body: &[u8], size: usize) -> Vec<u8> {
    let mut bytes = Vec::new();
    for chunk in body.chunks(size.max(1)) {
        bytes.extend_from_slice(format!("{:x}\r\n", chunk.len()).as_bytes());
        bytes.extend_from_slice(chunk);
        bytes.extend_from_slice(b"\r\n");
    }
    bytes.extend_from_slice(b"0\r\n\r\n");
    bytes
}
