//! A mistake in a file that a person wrote, with the place, the line itself and what to do.

use std::fmt;
use std::path::Path;
use std::sync::Arc;

use annotate_snippets::{AnnotationKind, Level, Renderer, Snippet};

use super::locate::{Location, YamlPath, locate, location};

/// A file's name and content.
#[derive(Debug, Eq, PartialEq)]
pub struct SourceFile {
    /// The name as the user gave it, or the path inside the binary.
    pub name: String,
    /// The content.
    pub text: String,
}

impl SourceFile {
    /// A file's content with its name.
    pub fn new(name: impl AsRef<Path>, text: impl Into<String>) -> Arc<Self> {
        let name = name.as_ref().display().to_string();
        Arc::new(Self { name, text: text.into() })
    }
}

/// Something wrong with a file.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Diagnostic {
    /// A short stable name of the kind of mistake: `scenario::capture`.
    pub code: &'static str,
    /// What is wrong.
    pub message: String,
    /// The file.
    pub file: Arc<SourceFile>,
    /// The place in it.
    pub at: Option<Location>,
    /// What to do about it.
    pub help: Option<String>,
}

impl Diagnostic {
    /// The picture for people: file, line, column, the line itself, the hint.
    pub fn render(&self, styled: bool) -> String {
        let title = Level::ERROR.primary_title(self.message.as_str()).id(self.code);
        let snippet = Snippet::source(self.file.text.as_str()).path(self.file.name.as_str());
        let span = self.at.as_ref().map_or(0..0, |at| at.bytes.clone());
        let mut group = title.element(snippet.annotation(AnnotationKind::Primary.span(span)));
        if let Some(help) = &self.help {
            group = group.element(Level::HELP.message(help.as_str()));
        }
        let renderer = if styled { Renderer::styled() } else { Renderer::plain() };
        renderer.render(&[group])
    }
}

impl fmt::Display for Diagnostic {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.file.name)?;
        if let Some(at) = &self.at {
            write!(f, ":{}:{}", at.line, at.column)?;
        }
        write!(f, ": {}", self.message)?;
        match &self.help {
            Some(help) => write!(f, "; {help}"),
            None => Ok(()),
        }
    }
}

/// Collects what is wrong with one file.
#[derive(Debug)]
pub struct Diagnostics {
    file: Arc<SourceFile>,
    list: Vec<Diagnostic>,
}

impl Diagnostics {
    /// Nothing wrong yet.
    pub fn new(file: &Arc<SourceFile>) -> Self {
        Self { file: Arc::clone(file), list: Vec::new() }
    }

    /// Notes a mistake in the value at a path.
    pub fn value(
        &mut self,
        code: &'static str,
        path: &YamlPath,
        message: impl Into<String>,
    ) -> &mut Self {
        let at = locate(&self.file.text, path, false);
        self.push(code, at, message.into())
    }

    /// Notes a mistake in the key at a path.
    pub fn key(
        &mut self,
        code: &'static str,
        path: &YamlPath,
        message: impl Into<String>,
    ) -> &mut Self {
        let at = locate(&self.file.text, path, true);
        self.push(code, at, message.into())
    }

    /// Notes a mistake at a byte of the text.
    pub fn byte(
        &mut self,
        code: &'static str,
        at: Option<usize>,
        message: impl Into<String>,
    ) -> &mut Self {
        let at = at.map(|at| location(&self.file.text, at));
        self.push(code, at, message.into())
    }

    /// Adds a hint to the mistake noted last.
    pub fn help(&mut self, help: impl Into<String>) -> &mut Self {
        if let Some(last) = self.list.last_mut() {
            last.help = Some(help.into());
        }
        self
    }

    /// Adds "did you mean" to the mistake noted last, when a known name is near.
    pub fn did_you_mean<'a>(&mut self, wrong: &str, known: impl IntoIterator<Item = &'a str>) {
        let known: Vec<&str> = known.into_iter().collect();
        match super::closest(wrong, known.iter().copied()) {
            Some(name) => {
                self.help(format!("did you mean `{name}`?"));
            }
            None if !known.is_empty() && known.len() <= 24 => {
                self.help(format!("known here: {}", known.join(", ")));
            }
            None => {}
        }
    }

    /// Whether nothing is wrong.
    pub fn is_empty(&self) -> bool {
        self.list.is_empty()
    }

    /// What is wrong, in the order of the file.
    pub fn into_list(mut self) -> Vec<Diagnostic> {
        self.list.sort_by_key(|d| d.at.as_ref().map(|at| at.bytes.start));
        self.list.dedup();
        self.list
    }

    fn push(&mut self, code: &'static str, at: Option<Location>, message: String) -> &mut Self {
        let file = Arc::clone(&self.file);
        self.list.push(Diagnostic { code, message, file, at, help: None });
        self
    }
}
